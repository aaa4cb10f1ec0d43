"""Markets by what files name them with: codes of two and three letters, tags of locales, English names."""

import functools
import re
from importlib.resources import files
from pathlib import Path
from zoneinfo import TZPATH

from marketpulse.contract.markets import market_code
from streams.errors import BadInput

_CODES = (
    "ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE BABIH BBBRB "
    "BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR "
    "BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR "
    "CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK "
    "FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS "
    "GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN "
    "ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO "
    "LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD "
    "MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER "
    "NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM "
    "PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC SDSDN SESWE SGSGP "
    "SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF "
    "TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY "
    "UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE "
)
_ALPHA_3 = {pair[2:]: pair[:2] for pair in _CODES.split()}
"""ISO 3166-1: alpha-3 -> alpha-2."""
_OTHER_NAMES = {
    "bosnia": "BA", "cape verde": "CV", "czechia": "CZ", "great britain": "GB", "hong kong sar": "HK",
    "ivory coast": "CI", "korea": "KR", "macao": "MO", "republic of korea": "KR", "russian federation": "RU",
    "south korea": "KR", "the netherlands": "NL", "turkiye": "TR", "türkiye": "TR", "u.s.a.": "US", "uae": "AE",
    "united kingdom": "GB", "united states of america": "US", "viet nam": "VN",
}  # fmt: skip
_SPACES = re.compile(r"\s+")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_]([A-Za-z]{2})(?:[-_.@].*)?")


def country_code(written: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country by code (`BR`, `br`, `BRA`) or English name (`Brazil`); None: no country."""
    name = _SPACES.sub(" ", written).strip()
    return market_code(name) or _ALPHA_3.get(name.upper()) or english_names().get(name.casefold())


def region_of(tag: str) -> str | None:
    """Country of a locale, `BR` of `pt-BR`, `pt_BR.UTF-8` or `zh-Hant-TW`; None where it names a language alone."""
    found = _TAG.fullmatch(tag.strip())
    return market_code(found[1]) if found else None


def given_market(written: str) -> str:
    """A market as a person gave it, by its code. Raises BadInput for what is none."""
    code = market_code(written)
    if code is None:
        raise BadInput(
            f"--market {written!r} is no country of two letters. Operator action: give one as in --market BR."
        )
    return code


@functools.cache
def english_names() -> dict[str, str]:
    """Usual English name, in lower case -> alpha-2 code, as the time zone database lists them."""
    names = dict(_OTHER_NAMES)
    for line in _table().splitlines():
        code, _, name = line.partition("\t")
        if name and not line.startswith("#"):
            names[name.casefold()] = names[name.replace("&", "and").casefold()] = code
    return names


def _table() -> str:
    """`iso3166.tab` of the system or of the package `tzdata`."""
    for folder in TZPATH:
        if (path := Path(folder) / "iso3166.tab").is_file():
            return path.read_text("utf-8")
    return (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8")
