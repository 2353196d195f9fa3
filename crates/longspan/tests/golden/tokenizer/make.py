"""Makes tokens.json: ids and offsets from the fast tokenizers of transformers, for strings that are hard to tokenize.

Special tokens are neither added nor recognised in a text. Offsets are bytes of the text, without the white space at both
ends of a token; a token that is all white space has an empty span at its end.

    python make.py > tokens.json
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import tokenizers
import transformers

DATA = Path(__file__).parent.parent.parent / "data"

# Unicode's property White_Space; Python's own str.strip also takes U+001C to U+001F.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"

# Article 1 of the Universal Declaration of Human Rights begins so.
SCRIPTS = [
    "All human beings are born free and equal in dignity and rights.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ, ਸ਼ਾਨ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ।",
    "મનુષ્ય જાતિમાં જન્મેલા સર્વ વ્યક્તિઓ સમાન ગૌરવ અને અધિકારો સાથે મુક્ત છે.",
    "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు.",
    "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ.",
    "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്‌.",
    "มนุษย์ทั้งปวงเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "人人生而自由，在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։",
    "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "የሰው፡ልጅ፡ሁሉ፡ሲወለድ፡ነጻና፡በክብርና፡በመብትም፡እኩልነት፡ያለው፡ነው።",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
]

TEXTS = SCRIPTS + [
    "",
    " ",
    "\n",
    "     ",
    "What has Huggingface done ?",
    "Hello world",
    " Hello  world   ",
    "\tTab\tand\t\ttabs",
    "line one\nline two\n\nline four\n",
    "carriage\r\nreturn\r\n\r\nline\rfeed",
    "spaces before newline   \n   spaces after",
    "a\u00a0b\u00a0\u00a0c no-break",
    "thin\u2009space ideographic\u3000space\u3000\u3000twice \u3000mixed",
    "zero\u200bwidth\u200bspace \u200b alone",
    "soft\u00adhyphen word\u2060joiner \ufeffbom",
    "nul\x00bell\x07escape\x1b[0m del\x7f",
    "file\x1cgroup\x1drecord\x1eunit\x1fnext\x85line",
    "\u2028line separator\u2029paragraph",
    "replacement \ufffd character\ufffd",
    "caf\u00e9 cafe\u0301 CAFE\u0301 \u00c5ngstr\u00f6m A\u030angstro\u0308m",
    "many marks: a\u0301\u0302\u0303\u0304\u0305 \u0301alone",
    "marks out of order: q\u0307\u0323 q\u0323\u0307",
    "\u0130stanbul \u0131\u0307 STRASSE stra\u00dfe \u1e9e \ufb01ne \ufb03",
    "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u039f\u0394\u039f\u03a3 \u1f51\u03c0\u1f78",
    "\u4e2d\u6587\u5b57\u7b26 mixed\u4e2dwith \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \ud55c\uad6d\uc5b4",
    "\U00020000\U0002f800 rare \u9fff\u3400",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u1019\u103c\u1014\u103a\u1019\u102c",
    "emoji \U0001f600\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \u2764\ufe0f",
    "keycap 1\ufe0f\u20e3 flag\U0001f3f4\U000e0067\U000e0062\U000e007f end",
    "</s>",
    "<s>a</s></s>b <pad><pad> <mask> <unk>",
    "before <mask> after   <mask>   spaces\n<mask>\n",
    "[CLS] question [SEP] [SEP] document [SEP][PAD] [MASK] [UNK]",
    "[cls] [sep][MASK]x[MASK]",
    "< s > < / s > <S> </S>",
    "don't I'll we've you're he'd 'tis it's'S 'RE can\u2019t",
    "''' 's't 'x  's",
    "3.14159 1,000,000 12:30 \u00bd \u2460 \u0663\u0664 x\u00b2 10\u207b\u2079 \u2167",
    "e-mail: a.b+c@example.org, https://example.org/?q=1&r=%20#top",
    "$5 + \u20ac10 = \u00a515?! ... \u2026 \u2014\u2013- \u00ab\u00bb \u201cquotes\u201d `code` ~tilde^ |",
    "snake_case camelCase kebab-case UPPER_CASE",
    "x" * 101 + " " + "y" * 100,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "the##the ##ing #hash ## #",
    "\u0120Hello\u010a \u2581under",
    "private \ue000 unassigned \u0378 \U0010ffff nonchar \ufdd0",
    "\U0001d4d0\U0001d4eb\U0001d4ec \uff21\uff22\uff23 \u2122 \u00b5 \u03bc",
    "right\u202eto\u202cleft \u200fmark",
    "tag\U000e0001 interlinear\ufff9annotation\ufffb",
    "\u1112\u1161\u11ab \ud55c \u1100\u1161",
    "\u0f71\u0f72\u0f74 tibetan \u302e\u302f \U0001d165\U0001d16d music",
    "  \u00a0 \u3000 \n\t mixed white \u00a0",
    "trailing newline then space\n ",
    "trailing space then newline \n",
    "end\u0000",
]

# RoBERTa's own trimming of offsets is switched off: with a prefix space it trims the first token otherwise.
TOKENIZERS = [
    ("roberta", "RobertaTokenizer", ["vocab.json", "merges.txt"], {"trim_offsets": False}),
    ("roberta", "RobertaTokenizer", ["vocab.json", "merges.txt"], {"trim_offsets": False, "add_prefix_space": True}),
    ("minilm", "BertTokenizer", ["vocab.txt"], None),
    ("minilm", "BertTokenizer", ["vocab.txt"], {"do_lower_case": False}),
    ("minilm", "BertTokenizer", ["vocab.txt"], {"do_lower_case": True, "strip_accents": False}),
    ("minilm", "BertTokenizer", ["vocab.txt"], {"do_lower_case": False, "strip_accents": True}),
    ("minilm", "BertTokenizer", ["vocab.txt"], {"tokenize_chinese_chars": False}),
    ("minilm", "PreTrainedTokenizerFast", ["tokenizer.json"], None),
]


def content(name, file):
    """A file of a checkpoint; the vocabulary of tokenizer.json is left out of it and stands in vocab.txt."""
    if file == "tokenizer.json":
        tokenizer = json.loads((DATA / f"{name}-{file}").read_text())
        vocabulary = content(name, "vocab.txt").decode().split("\n")[:-1]
        tokenizer["model"]["vocab"] = {token: id for id, token in enumerate(vocabulary)}
        return json.dumps(tokenizer).encode()
    return gzip.decompress((DATA / f"{name}-{file}.gz").read_bytes())


def tokens(tokenizer, text):
    encoding = tokenizer(
        text,
        add_special_tokens=False,
        split_special_tokens=True,
        truncation=False,
        padding=False,
        return_offsets_mapping=True,
    )
    spans = []
    for start, end in encoding["offset_mapping"]:
        token = text[start:end]
        start = end - len(token.lstrip(WHITE_SPACE))
        end = start + len(text[start:end].rstrip(WHITE_SPACE))
        spans.append([len(text[:start].encode()), len(text[:end].encode())])
    return {"ids": encoding["input_ids"], "spans": spans}


def load(name, kind, files, config):
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file).write_bytes(content(name, file))
        if config is not None:
            (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        return getattr(transformers, kind).from_pretrained(folder)


def main():
    cases = []
    for name, kind, files, config in TOKENIZERS:
        tokenizer = load(name, kind, files, config)
        case = {"name": name, "files": files, "tokenizer_config": config}
        cases.append(case | {"tokens": [tokens(tokenizer, text) for text in TEXTS]})
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    json.dump({"versions": versions, "texts": TEXTS, "tokenizers": cases}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
