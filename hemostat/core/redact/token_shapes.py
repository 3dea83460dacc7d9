"""Secrets recognised by their shape alone, anywhere in a text."""

import re
from typing import Final

from hemostat.core.redact.mask_format import mask

SHAPES: Final = (
    ("webhook", "hooks.slack.com/", r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]+"),
    ("webhook", "/api/webhooks/", r"(?<=/api/webhooks/)\d+/[\w.-]+"),
    ("webhook", ".office.com/webhook", r"(?<=\.webhook\.office\.com/webhookb2/)[\w@/-]+"),
    ("webhook", ".office.com/webhook", r"(?<=outlook\.office\.com/webhook/)[\w@/-]+"),
    ("token", ".", r"(?<![\w-])[MNO][\w-]{23,27}\.[\w-]{6,7}\.[\w-]{27,45}(?![\w-])"),
    ("key", "code=", r"(?<=[?&]code=)[\w%+/=.~-]{20,}+"),
    ("private key", '"kty"', r"""(?<="d":")[\w-]{20,}+"""),
    ("password hash", "$", r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}"),
    (
        "password hash",
        "$",
        r"\$(?:1|5|6|7|y|gy|apr1|argon2(?:id|i|d)|scrypt|pbkdf2[\w-]{0,12})\$[\w./+=,$-]{16,200}",
    ),
    ("password hash", "pbkdf2_", r"pbkdf2_\w{3,8}\$\d{1,9}\$[\w+/=$.-]{16,200}"),
    ("password hash", "SCRAM-SHA-", r"SCRAM-SHA-(?:1|256|512)\$[\w+/=:$-]{20,300}"),
    ("password hash", "SHA", r"\{S?(?:SHA|SHA256|SHA512|MD5)\}[A-Za-z0-9+/]{20,200}={0,2}"),
    ("jwt", "eyJ", r"eyJ[\w-]{17,}+={0,2}(?:\.[\w-]*+){0,4}"),
    # "-----BEGIN" in base64, unless a certificate follows.
    ("private key", "LS0tLS1CRUdJTiB", r"LS0tLS1CRUdJTiB(?!DRVJU)[\w+/=-]{20,}+"),
    ("signature", "sig=", r"(?<=[?&;]sig=)[\w%+/=-]{20,}+"),
    ("api key", "sk-ant-", r"sk-ant-[\w-]{10,}+"),
    ("api key", "sk-", r"(?<![A-Za-z0-9])sk-(?=[\w-]{0,100}?\d)[\w-]{20,}+"),
    (
        "api key",
        "",
        (
            r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{16}"
            r"(?:[\s:,;\"'=/]{1,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
        ),
    ),
    ("api key", "AIza", r"AIza[\w-]{30,}+"),
    ("api key", "k_", r"[srp]k_(?:live|test)_\w{8,}+"),
    ("api key", "SG.", r"SG\.[\w-]{16,}+\.[\w-]{16,}+"),
    ("api key", "whsec_", r"whsec_[\w+/=]{16,}+"),
    ("api key", "key-", r"\bkey-[0-9a-f]{32}\b"),
    ("api key", "PMAK-", r"PMAK-[\w-]{30,}+"),
    ("api key", "NRAK-", r"NRAK-[A-Z0-9]{20,}+"),
    ("api key", "lin_api_", r"lin_api_\w{20,}+"),
    ("api key", "SK", r"\bSK[0-9a-f]{32}\b"),
    ("api key", "GOCSPX-", r"GOCSPX-[\w-]{20,}+"),
    ("api key", "LTAI", r"\bLTAI[A-Za-z0-9]{12,30}\b"),
    ("api key", "AKID", r"\bAKID[A-Za-z0-9]{13,40}\b"),
    ("api key", "xai-", r"\bxai-\w{40,}+"),
    ("api key", "gsk_", r"\bgsk_\w{30,}+"),
    ("api key", "r8_", r"\br8_\w{30,}+"),
    ("api key", "pplx-", r"\bpplx-\w{30,}+"),
    ("api key", "dapi", r"\bdapi[0-9a-f]{32}(?:-\d)?\b"),
    ("token", "gh", r"gh[pousr]_[A-Za-z0-9]{20,}+"),
    ("token", "github_pat_", r"github_pat_\w{20,}+"),
    ("token", "gl", r"gl(?:pat|dt|rt|ft|cbt|ptt|soat|oas|agent|imt)-[\w.-]{16,}+"),
    ("token", "gl", r"gls?[ac]_[\w+/=]{20,}+"),
    ("token", "xox", r"xox[a-z]-[\w-]{10,}+"),
    ("token", "xapp-", r"xapp-\d-[\w-]{10,}+"),
    ("token", "npm_", r"npm_[A-Za-z0-9]{30,}+"),
    ("token", "pypi-A", r"pypi-A[\w-]{30,}+"),
    ("token", "hf_", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}+"),
    ("token", "_v1_", r"do[opr]_v1_[0-9a-f]{40,}+"),
    ("token", "shp", r"shp(?:at|ss|ca|pa)_[0-9a-fA-F]{20,}+"),
    ("token", "dckr_pat_", r"dckr_pat_[\w-]{20,}+"),
    ("token", "hv", r"hv[sbr]\.[\w-]{20,}+"),
    ("token", "ya29.", r"ya29\.[\w-]{20,}+"),
    ("token", "sq0", r"sq0[a-z]{3}-[\w-]{20,}+"),
    ("token", ":AA", r"(?<!\d)\d{8,10}:AA[\w-]{30,}+"),
    ("token", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}+"),
    ("token", "1//0", r"\b1//0[\w-]{30,}+"),
    ("token", "TT3", r"AT[AC]TT3[\w=-]{20,}+"),
    ("token", "ntn_", r"\bntn_\w{30,}+"),
    ("token", "sb", r"\bsb(?:p|_secret)_\w{20,}+"),
    ("token", "figd_", r"\bfigd_[\w-]{20,}+"),
    ("token", "dp.", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}+"),
    ("token", "pscale_", r"\bpscale_(?:tkn|pw|oauth)_[\w.-]{20,}+"),
    ("token", "rubygems_", r"\brubygems_[0-9a-f]{40,}+"),
    ("token", "sntry", r"\bsntry[su]_[\w+/=.-]{20,}+"),
    ("token", ".atlasv1.", r"\b\w{14}\.atlasv1\.[\w-]{40,}+"),
    ("key", "key=", r"(?<=[?&]key=)(?=[\w-]{0,40}?\d)[\w-]{20,}+"),
    ("signature", "Signature=", r"(?<=[?&]Signature=)[\w%+/=~-]{20,}+"),
    ("api key", "tskey-", r"\btskey-[a-z]{2,12}-[\w-]{16,}+"),
    ("api key", "xkeysib-", r"\bxkeysib-[0-9a-f]{64}-\w{12,}+"),
    ("api key", "-us", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
    ("token", "fm2_", r"\bfm2_[\w+/=]{20,}+"),
    ("token", "nfp_", r"\bnfp_\w{30,}+"),
    ("token", "CCIPAT_", r"\bCCIPAT_\w{20,}+"),
    ("token", "bkua_", r"\bbkua_[0-9a-f]{40}"),
    ("token", "pat", r"\bpat\w{10,20}\.[0-9a-f]{64}"),
    ("token", "dckr_oat_", r"\bdckr_oat_[\w-]{20,}+"),
    ("token", "HRKU-", r"\bHRKU-[\w-]{36,}+"),
    ("token", "oauth:", r"(?<=\boauth:)[a-z0-9]{30,32}\b"),
    ("token", "Q~", r"(?<![\w~.-])[\w~.]{3}\dQ~[\w~.-]{30,40}(?![\w~.-])"),
)
"""The kind of a secret, text that every secret of the shape contains, and the shape. Most texts contain none
of them, and searching plain text is cheap."""
PATTERNS: Final = tuple((word, re.compile(shape), mask(kind)) for kind, word, shape in SHAPES)
EMAIL: Final = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}[A-Za-z]{2,24}(?![\w-])"
)


def hide(text: str) -> str:
    for marker, pattern, masked in PATTERNS:
        if marker in text:
            text = pattern.sub(masked, text)
    return text


def hide_emails(text: str) -> str:
    return EMAIL.sub(mask("email"), text)
