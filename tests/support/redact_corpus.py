"""The corpus of secrets that redaction must find."""

import re
from base64 import b64encode
from pathlib import Path
from textwrap import wrap

HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
MIXED = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA5cD7"
BODY = "\n".join(wrap("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 8, 64))
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{BODY}\n-----END RSA {'PRIVATE'} KEY-----"
SHAPES = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "openai": "sk-" + MIXED,
    "anthropic": "sk-ant-" + "api03-" + MIXED,
    "github": "ghp_" + MIXED,
    "github_pat": "github_pat_" + MIXED,
    "gitlab": "glpat-" + MIXED[:20],
    "slack": "xoxb-" + "12345-" + MIXED,
    "google": "AIza" + MIXED[:35],
    "stripe": "sk_live_" + MIXED[:24],
    "sendgrid": "SG." + MIXED[:22] + "." + MIXED,
    "npm": "npm_" + MIXED,
    "hugging_face": "hf_" + MIXED[:34],
    "slack_hook": "services/T0/B0/" + MIXED[:24],
    "discord_hook": "1234567890/" + MIXED,
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + MIXED,
    "telegram": "123456789:" + "AA" + MIXED,
    "vault": "hvs." + MIXED,
    "google_oauth": "GOCSPX-" + MIXED[:28],
    "google_refresh": "1//0" + MIXED,
    "alibaba": "LTAI" + MIXED[:20],
    "tencent": "AKID" + MIXED[:32],
    "azure_ad": MIXED[:3] + "8Q~" + MIXED[:34],
    "tailscale": "tskey-" + "auth-k" + MIXED,
    "brevo": "xkeysib-" + HEX * 2 + "-" + MIXED[:16],
    "mailchimp": HEX + "-us12",
    "heroku": "HRKU-" + MIXED,
    "circleci": "CCIPAT_" + MIXED,
    "airtable": "pat" + MIXED[:14] + "." + HEX * 2,
    "docker": "dckr_oat_" + MIXED,
    "databricks": "dapi" + HEX,
    "twilio": "SK" + HEX,
    "xai": "xai-" + MIXED * 2,
    "groq": "gsk_" + MIXED,
    "replicate": "r8_" + MIXED,
    "atlassian": "ATATT3" + "xFfGF0" + MIXED,
    "notion": "ntn_" + MIXED,
    "supabase": "sbp_" + HEX + HEX[:8],
    "doppler": "dp.st.prd." + MIXED,
    "planetscale": "pscale_pw_" + MIXED,
    "rubygems": "rubygems_" + HEX + HEX[:16],
    "sentry": "sntrys_" + MIXED,
    "terraform": MIXED[:14] + ".atlasv1." + MIXED * 2,
    "sas": "https://a.blob.example.net/c?sv=2022&sig=" + MIXED + "%3D",
    "pem_base64": b64encode(PEM.encode()).decode(),
    "pem": PEM,
    "pem_escaped": PEM.replace("\n", "\\n"),
    "pem_cut": PEM[:300],
    "discord_bot": "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + MIXED[:27],
    "sha512_crypt": "$6$" + "saltsalt$" + MIXED * 2,
    "bcrypt": "$2b$12$" + (MIXED * 2)[:53],
    "pbkdf2": "pbkdf2_sha256$" + "260000$abcdefghijkl$" + MIXED,
    "scram": "SCRAM-SHA-256$" + "4096:c2FsdA==$c3RvcmVk:c2VydmVy",
    "ssha": "{SSHA}" + MIXED,
    "pem_logged": "\n".join(
        f"2026-11-29T10:00:{n:02d}Z app | {line}" for n, line in enumerate(PEM.splitlines())
    ),
    "pem_logged_cut": "\n".join(f"10:00:{n:02d} app | {line}" for n, line in enumerate(PEM.splitlines()[:6])),
}
PARTS = {
    "zwsp": "\N{ZERO WIDTH SPACE}",
    "nul": "\0",
    "shy": "\N{SOFT HYPHEN}",
    "joiner": "\N{WORD JOINER}",
    "pagerduty": HEX,
    "azure_function": MIXED[:30] + "==",
    "lro": "\N{LEFT-TO-RIGHT OVERRIDE}",
    "private": "PRIVATE",
    "putty": "\n".join(BODY.splitlines()[:2]),
}
"""What is a secret by its surroundings, and what is none."""
HERE = Path(__file__).parents[1] / "core" / "redact_corpus"
POSITIVE = (HERE / "positive.txt").read_text().splitlines()


def fill_shapes(line: str) -> str:
    line = re.sub(r"\{(\w+)\}", lambda name: {**SHAPES, **PARTS}.get(name[1], name[0]), line)
    return line.replace("|\\n", "|\n").replace("⏎", "\n").replace("⇥", "\t")


def list_secrets(marked: str) -> list[str]:
    return re.findall("«(.*?)»", marked, re.DOTALL)


def unmark(marked: str) -> str:
    return marked.replace("«", "").replace("»", "")
