"""Secrets that are known by their shape alone, wherever they stand."""

import re
from typing import Final

from hemostat.core.redact.mask import mask

SHAPES: Final = {
    "webhook": (
        r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]+"
        r"|(?<=/api/webhooks/)\d+/[\w.-]+|(?<=\.webhook\.office\.com/webhookb2/)[\w@/-]+"
        r"|(?<=outlook\.office\.com/webhook/)[\w@/-]+"
    ),
    # "-----BEGIN" as base64 writes it, where no certificate follows.
    "private key": r"LS0tLS1CRUdJTiB(?!DRVJU)[\w+/=-]{20,}+",
    "signature": r"(?<=[?&;]sig=)[\w%+/=-]{20,}+",
    "jwt": r"eyJ[\w-]{17,}+={0,2}(?:\.[\w-]*+){0,4}",
    "api key": (
        r"sk-ant-[\w-]{10,}+|(?<![A-Za-z0-9])sk-(?=[\w-]{0,100}?\d)[\w-]{20,}+"
        r"|(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{16}(?:[\s:,;\"'=/]{1,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
        r"|AIza[\w-]{30,}+|[srp]k_(?:live|test)_\w{8,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|whsec_[\w+/=]{16,}+"
        r"|\bkey-[0-9a-f]{32}\b|PMAK-[\w-]{30,}+|NRAK-[A-Z0-9]{20,}+|lin_api_\w{20,}+|\bSK[0-9a-f]{32}\b"
        r"|GOCSPX-[\w-]{20,}+|\bLTAI[A-Za-z0-9]{12,30}\b|\bAKID[A-Za-z0-9]{13,40}\b|\bxai-\w{40,}+"
        r"|\bgsk_\w{30,}+|\br8_\w{30,}+|\bpplx-\w{30,}+|\bdapi[0-9a-f]{32}(?:-\d)?\b"
    ),
    "token": (
        r"gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+|gl(?:pat|dt|rt|ft|cbt|ptt|soat|oas|agent|imt)-[\w.-]{16,}+"
        r"|xox[a-z]-[\w-]{10,}+|xapp-\d-[\w-]{10,}+|npm_[A-Za-z0-9]{30,}+|pypi-A[\w-]{30,}+"
        r"|(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,}+|do[opr]_v1_[0-9a-f]{40,}+|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{20,}+"
        r"|dckr_pat_[\w-]{20,}+|hv[sbr]\.[\w-]{20,}+|ya29\.[\w-]{20,}+|gls?[ac]_[\w+/=]{20,}+"
        r"|sq0[a-z]{3}-[\w-]{20,}+|(?<!\d)\d{8,10}:AA[\w-]{30,}+|AGE-SECRET-KEY-1[A-Z0-9]{50,}+"
        r"|\b1//0[\w-]{30,}+|AT[AC]TT3[\w=-]{20,}+|\bntn_\w{30,}+|\bsb(?:p|_secret)_\w{20,}+|\bfigd_[\w-]{20,}+"
        r"|\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{20,}+|\bpscale_(?:tkn|pw|oauth)_[\w.-]{20,}+"
        r"|\brubygems_[0-9a-f]{40,}+|\bsntry[su]_[\w+/=.-]{20,}+|\b\w{14}\.atlasv1\.[\w-]{40,}+"
        r"|(?<![\w~.-])[\w~.]{3}\dQ~[\w~.-]{30,40}(?![\w~.-])"
    ),
}
PATTERNS: Final = tuple((re.compile(pattern), mask(kind)) for kind, pattern in SHAPES.items())
EMAIL: Final = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}[A-Za-z]{2,24}(?![\w-])"
)


def hide(text: str) -> str:
    for pattern, masked in PATTERNS:
        text = pattern.sub(masked, text)
    return text


def hide_emails(text: str) -> str:
    return EMAIL.sub(mask("email"), text)
