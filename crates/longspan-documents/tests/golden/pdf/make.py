"""Makes the PDF files of this folder, and beside each the text and the map that a reader should find: `python make.py`.

Each file is a few pages of Courier, whose letters are all 0.6 em wide, so that this script knows where each word stands. What
is expected is written down by hand, beside what is drawn; nothing here reads a PDF file. Python's standard library is enough.

NAME.txt is the whole text. NAME.map has a line for each fact:

    title TEXT, language TAG           of the file
    warning CODE                       a warning
    page NUMBER LABEL WIDTH HEIGHT     `-` for no label
    block KIND FIRST LINE              heading-1, paragraph, list-item, cell-ROW-COLUMN, furniture
    box PAGE X Y WIDTH HEIGHT TEXT     the place of the first such text: a line for each printed line of it
"""

import hashlib
import pathlib
import zlib

FOLDER = pathlib.Path(__file__).parent
ASCENT, DESCENT = 0.8, 0.22  # what a box reaches above and below the baseline, in em


class Pdf:
    """Objects of a file, written as they are added. Page streams are compressed."""

    def __init__(self):
        self.objects = [None, None]  # the catalog, and the tree of pages
        self.pages, self.catalog, self.info = [], "", None
        self.fonts = {"F1": self.add("<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>"),
                      "F2": self.add("<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold >>")}

    def add(self, body):
        self.objects.append(body if isinstance(body, bytes) else body.encode("latin-1"))
        return len(self.objects)

    def font(self, differences):
        """Courier with other letters."""
        return self.add("<< /Type /Font /Subtype /Type1 /BaseFont /Courier /FirstChar 0 /LastChar 255 "
                        f"/Widths [{'600 ' * 256}] /Encoding << /Type /Encoding /Differences [{differences}] >> >>")

    def stream(self, data, entries=""):
        data = data if isinstance(data, bytes) else data.encode("latin-1")
        packed = zlib.compress(data, 9)
        head = f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
        return self.add(head + packed + b"\nendstream")

    def page(self, content, size=(300, 200), entries="", resources=""):
        fonts = " ".join(f"/{name} {number} 0 R" for name, number in self.fonts.items())
        self.pages.append(self.add(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] {entries} /Contents {self.stream(content)} 0 R "
            f"/Resources << /Font << {fonts} >> {resources} >> >>"))

    def bytes(self, encrypt=None, has_xref=True):
        self.objects[0] = f"<< /Type /Catalog /Pages 2 0 R {self.catalog} >>".encode()
        kids = " ".join(f"{number} 0 R" for number in self.pages)
        self.objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(self.pages)} >>".encode()
        trailer = "/Root 1 0 R" + (f" /Info {self.info} 0 R" if self.info else "")
        out, places = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"), []
        for number, body in enumerate(self.objects, 1):
            places.append(len(out))
            out += b"%d 0 obj\n" % number + (encrypt(number, body) if encrypt else body) + b"\nendobj\n"
        if encrypt:
            places.append(len(out))
            out += b"%d 0 obj\n" % (len(self.objects) + 1) + encrypt.dictionary + b"\nendobj\n"
            trailer += f" /Encrypt {len(self.objects) + 1} 0 R /ID [<{encrypt.id.hex()}> <{encrypt.id.hex()}>]"
        start = len(out)
        if has_xref:
            out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
            out += b"".join(b"%010d 00000 n \n" % place for place in places)
            out += f"trailer\n<< /Size {len(places) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
        return bytes(out)


def text(x, y, words, size=10, font="F1", mode=0):
    """Shows words with their baseline at (x, y) from the lower left corner."""
    words = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT {mode} Tr /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({words}) Tj ET\n"


def lines(x, y, rows, step=12, **style):
    return "".join(text(x, y - step * index, row, **style) for index, row in enumerate(rows))


def box(page, x, y, words, row=None, size=10, height=200):
    """The line of the map for words of a row that is shown at (x, y)."""
    x, width = x + 0.6 * size * (row or words).index(words), 0.6 * size * len(words)
    return f"box {page} {x:.1f} {height - y - ASCENT * size:.1f} {width:.1f} {(ASCENT + DESCENT) * size:.1f} {words}"


def pages():
    """Running heads, numbers and labels of pages, a title, headings, a hyphen that goes and one that stays, a list, a
    paragraph that goes on over a page."""
    pdf = Pdf()
    pdf.info = pdf.add("<< /Title (The Life of Pumps) >>")
    pdf.catalog = "/Lang (en-GB) /PageLabels << /Nums [0 << /S /r >> 1 << /S /D /P (A-) /St 7 >>] >>"
    heads = [text(30, 185, f"Pumps and Wells, part {n}", 8) + text(145, 12, f"{n}", 8) for n in (1, 2, 3)]
    pdf.page(heads[0] + text(30, 160, "Pumps", 18, "F2") + text(30, 140, "1. Wells", 10, "F2")
             + lines(30, 124, ["Water is lifted by a pump. A com-", "pany has owned it since 1911; it",
                               "is well-", "known for hand-made parts, and a"])
             + text(30, 60, "well-known place to visit on", 10))
    pdf.page(heads[1] + text(30, 160, "any day of the week.")
             + lines(30, 136, ["- It costs nothing.", "- It is open."]))
    pdf.page(heads[2] + text(30, 160, "1.1 Depth", 10, "F2") + text(30, 144, "It is 12 m deep."))
    expected = (
        "Pumps and Wells, part 1\n\nPumps\n\n1. Wells\n\nWater is lifted by a pump. A company\nhas owned it since 1911; it\n"
        "is well-\nknown for hand-made parts, and a\n\nwell-known place to visit on\n\n1\n\f"
        "Pumps and Wells, part 2\n\nany day of the week.\n\n- It costs nothing.\n\n- It is open.\n\n2\n\f"
        "Pumps and Wells, part 3\n\n1.1 Depth\n\nIt is 12 m deep.\n\n3")
    facts = [
        "title The Life of Pumps", "language en-GB",
        "page 1 i 300 200", "page 2 A-7 300 200", "page 3 A-8 300 200",
        "block furniture Pumps and Wells, part 1", "block heading-1 Pumps", "block heading-2 1. Wells",
        "block paragraph Water is lifted by a pump. A company", "block paragraph well-known place to visit on",
        "block furniture 1", "block furniture Pumps and Wells, part 2", "block paragraph any day of the week.",
        "block list-item - It costs nothing.", "block list-item - It is open.", "block furniture 2",
        "block furniture Pumps and Wells, part 3", "block heading-3 1.1 Depth", "block paragraph It is 12 m deep.",
        "block furniture 3",
        box(1, 30, 124, "A", "Water is lifted by a pump. A com-"), box(1, 30, 112, "owned it", "pany has owned it since"),
        box(3, 30, 144, "12 m", "It is 12 m deep."),
    ]
    return pdf.bytes(), expected, facts


def columns():
    """A title over two columns of prose, whose lines are level; the left column is read first."""
    pdf = Pdf()
    left = ["The first column has", "lines that are prose,", "and goes on over the", "gutter to the second"]
    right = ["column, which stands", "to the right of it on", "the same page and has", "an end."]
    pdf.page(text(60, 170, "A Title Over Both", 16, "F2") + "".join(
        text(20, 140 - 12 * index, a) + text(170, 140 - 12 * index, b) for index, (a, b) in enumerate(zip(left, right))),
        size=(310, 200))
    expected = "A Title Over Both\n\n" + "\n".join(left + right)
    facts = ["page 1 - 310 200", "block heading-1 A Title Over Both", "block paragraph The first column has",
             box(1, 20, 128, "prose,", left[1]), box(1, 170, 140, "stands", right[0])]
    return pdf.bytes(), expected, facts


def numbered():
    """A page of a transcript: each line has a number, and some nothing else."""
    pdf = Pdf()
    rows = ["THE COURT: We will hear now", "the argument in case 07-1315.", "MR. MERCER: It is the position",
            "of the petitioner that it is.", "", "The matter came on for", "oral argument at 1:01 p.m.", "It was heard here.", "",
            "(Recess.)", ""]
    pdf.page(text(100, 185, "Official Transcript", 8)
             + "".join(text(26 - 6 * len(str(number)), 172 - 14 * number, str(number)) + text(60, 172 - 14 * number, row)
                       for number, row in enumerate(rows, 1)))
    numbers = " ".join(str(number) for number in range(1, len(rows) + 1))
    expected = ("Official Transcript\n\nTHE COURT: We will hear now\nthe argument in case 07-1315.\nMR. MERCER: It is the position\n"
                "of the petitioner that it is.\n\nThe matter came on for\noral argument at 1:01 p.m.\nIt was heard here.\n\n(Recess.)\n\n"
                + numbers)
    return pdf.bytes(), expected, [
        "page 1 - 300 200", "block paragraph Official Transcript", "block paragraph THE COURT: We will hear now",
        "block paragraph The matter came on for", "block paragraph (Recess.)", f"block furniture {numbers}",
        box(1, 60, 144, "07-1315", rows[1])]


def table():
    """Rows with cells, one of them on two lines and one empty."""
    pdf = Pdf()
    pdf.page(text(20, 180, "Prices of the parts are given here in crowns.")
             + text(20, 150, "Part") + text(120, 150, "Price") + text(200, 150, "Remark")
             + text(20, 136, "Handle") + text(120, 136, "12.50") + text(200, 136, "of beech")
             + text(200, 124, "wood") + text(20, 110, "Valve") + text(120, 110, "7.00")
             + text(20, 80, "All of them are made in the town."))
    expected = ("Prices of the parts are given here in crowns.\n\nPart\tPrice\tRemark\nHandle\t12.50\tof beech\nwood\n"
                "Valve\t7.00\t\n\nAll of them are made in the town.")
    cells = [("Part", "Price", "Remark"), ("Handle", "12.50", "of beech"), ("Valve", "7.00", "")]
    facts = (["page 1 - 300 200", "block paragraph Prices of the parts are given here in crowns."]
             + [f"block cell-{row}-{column} {cell}".rstrip() for row, line in enumerate(cells) for column, cell in enumerate(line)]
             + ["block paragraph All of them are made in the town.", box(1, 120, 136, "12.50")])
    return pdf.bytes(), expected, facts


def turned():
    """A page that is shown turned, with a crop box; what is outside of it or clipped away is no text. Another page has a
    line that runs up its side."""
    pdf = Pdf()
    pdf.page(text(40, 100, "Inside of the box.") + text(40, 20, "Outside of it.")
             + "q 40 60 54 30 re W n\n" + text(40, 70, "In a clip and out of it") + "Q\n",
             entries="/CropBox [20 40 280 180] /Rotate 90")
    pdf.page(text(40, 100, "Upright, and then") + "BT /F1 10 Tf 0 1 -1 0 20 50 Tm (up the side) Tj ET\n")
    expected = "Inside of the box.\n\nIn a clip\n\fUpright, and then\n\nup the side"
    facts = ["page 1 - 140 260", "page 2 - 300 200", "block paragraph Inside of the box.", "block paragraph In a clip",
             "block paragraph Upright, and then", "block paragraph up the side",
             # Turned clockwise, (x, y) of the file is at (y - 40, x - 20) of the page from its top left corner.
             "box 1 57.8 20.0 10.2 36.0 Inside", "box 1 57.8 32.0 10.2 24.0 side", "box 2 12.0 138.0 10.2 12.0 up",
             "box 2 12.0 84.0 10.2 36.0 e side"]
    return pdf.bytes(), expected, facts


def marked():
    """Text under a picture that is not shown, text that is drawn twice, an artifact, text that stands for glyphs, ligatures,
    raised figures, letters that are apart."""
    pdf = Pdf()
    pdf.fonts["F3"] = pdf.font("1 /fi /ffl")
    pdf.page("/Artifact << /Type /Pagination >> BDC\n" + text(30, 185, "A head") + "EMC\n"
             + text(30, 150, "Not shown, but read.", mode=3)
             + text(30, 130, "Drawn twice") + text(30.4, 130, "Drawn twice")
             + "/Span << /ActualText (really) >> BDC\n" + text(30, 110, "rly") + "EMC\n" + text(54, 110, "said")
             + "BT /F3 10 Tf 30 90 Td (\\001rm wind \\002e) Tj ET\n"
             + text(30, 70, "2") + text(36, 74, "10", 6) + text(52, 70, "is 1024.")
             + "BT /F1 10 Tf 3 Tc 30 30 Td (NOTICE) Tj 0 Tc ET\n")
    expected = "A head\n\nNot shown, but read.\nDrawn twice\nreally said\nfirm wind ffle\n2¹⁰ is 1024.\n\nNOTICE"
    return pdf.bytes(), expected, [
        "warning hidden", "page 1 - 300 200", "block furniture A head", "block paragraph Not shown, but read.",
        "block heading-1 NOTICE", box(1, 54, 110, "said")]


def unicode_codes():
    """A composite font whose codes are Unicode, as TCPDF writes it: without a table of characters."""
    pdf = Pdf()
    words = "Sprzedaż: Łódź, 5 €"
    inner = pdf.add("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Courier /DW 600 /CIDSystemInfo "
                    "<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>")
    pdf.fonts["F3"] = pdf.add("<< /Type /Font /Subtype /Type0 /BaseFont /Courier /Encoding /Identity-H /ToUnicode /Identity-H "
                              f"/DescendantFonts [{inner} 0 R] >>")
    pdf.page(f"BT /F3 10 Tf 30 150 Td <{words.encode('utf-16-be').hex()}> Tj ET\n")
    return pdf.bytes(), words, ["page 1 - 300 200", f"block paragraph {words}", box(1, 30, 150, "Łódź", words)]


def right_to_left():
    """Hebrew as it is printed, in the order of reading, with a number and a word of another script."""
    pdf = Pdf()
    names = " ".join(f"/afii{57664 + index}" for index in range(27))  # alef to tav
    pdf.fonts["F3"] = pdf.font(f"128 {names}")
    letters = {chr(0x5d0 + index): f"\\{128 + index:o}" for index in range(27)}
    rows = [("שלום עולם", "םלוע םולש"), ("בשנת 1911 נוסד", "דסונ 1911 תנשב"), ("זה הוא PDF", "PDF אוה הז")]
    content = "".join(
        f"BT /F3 10 Tf {280 - 6 * len(row)} {160 - 12 * index} Td ({''.join(letters.get(c, c) for c in row)}) Tj ET\n"
        for index, (_, row) in enumerate(rows))
    pdf.page(content)
    # The first letters of a word stand at its right end.
    facts = ["page 1 - 300 200", "box 1 256.0 32.0 24.0 10.2 שלום", "box 1 268.0 32.0 12.0 10.2 של"]
    return pdf.bytes(), "\n".join(row for row, _ in rows), facts


def scan():
    """A page of text, and two with pictures alone."""
    pdf = Pdf()
    picture = pdf.stream(bytes(4), "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8")
    pdf.page(text(30, 150, "The only page with text."))
    for _ in range(2):
        pdf.page("q 300 0 0 200 0 0 cm /Im Do Q\n", resources=f"/XObject << /Im {picture} 0 R >>")
    return pdf.bytes(), "The only page with text.\n\f\n\f", ["warning no_text"] + [f"page {n} - 300 200" for n in (1, 2, 3)]


def scan_alone():
    pdf = Pdf()
    picture = pdf.stream(bytes(4), "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8")
    pdf.page("q 300 0 0 200 0 0 cm /Im Do Q\n", resources=f"/XObject << /Im {picture} 0 R >>")
    return pdf.bytes(), None, None


def damaged():
    """A file without its table of objects."""
    pdf = Pdf()
    pdf.page(text(30, 150, "It can be repaired."))
    return pdf.bytes(has_xref=False), "It can be repaired.", ["warning repaired", "page 1 - 300 200"]


def half():
    """A page whose content is damaged in its middle, one whose content is missing, and one that is missing itself."""
    pdf = Pdf()
    pdf.page(text(30, 150, "This is read.") + "%" + "".join(f"{n * n} " for n in range(500)) + "\n" + text(30, 130, "This is not."))
    pdf.page("")
    number = pdf.pages[0] - 1
    head, data = pdf.objects[number - 1].split(b"stream\n", 1)
    pdf.objects[number - 1] = head + b"stream\n" + data[:len(data) // 2] + bytes(len(data) - len(data) // 2 - 10) + b"\nendstream"
    page = pdf.pages[1] - 1
    pdf.objects[page] = pdf.objects[page].replace(f"/Contents {pdf.pages[1] - 1} 0 R".encode(), b"/Contents 99 0 R")
    pdf.pages.append(98)
    return pdf.bytes(), "This is read.\n\f", ["warning repaired", "page 1 - 300 200", "page 2 - 300 200"]


class Rc4:
    """Encryption of 40 bits with the password `pump` (ISO 32000-1, algorithms 1, 2, 3 and 4)."""

    PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")

    def __init__(self):
        self.id, padded = bytes(range(16)), (b"pump" + self.PAD)[:32]
        owner = self.rc4(hashlib.md5(padded).digest()[:5], padded)
        self.key = hashlib.md5(padded + owner + b"\xfc\xff\xff\xff" + self.id).digest()[:5]
        user = self.rc4(self.key, self.PAD)
        self.dictionary = (f"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <{owner.hex()}> /U <{user.hex()}> >>").encode()

    @staticmethod
    def rc4(key, data):
        box, j, out, i, k = list(range(256)), 0, bytearray(), 0, 0
        for n in range(256):
            j = (j + box[n] + key[n % len(key)]) % 256
            box[n], box[j] = box[j], box[n]
        for byte in data:
            i = (i + 1) % 256
            k = (k + box[i]) % 256
            box[i], box[k] = box[k], box[i]
            out.append(byte ^ box[(box[i] + box[k]) % 256])
        return bytes(out)

    def __call__(self, number, body):
        if b"stream\n" not in body:
            return body
        head, data = body.split(b"stream\n", 1)
        data = data.removesuffix(b"\nendstream")
        key = hashlib.md5(self.key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
        return head + b"stream\n" + self.rc4(key, data) + b"\nendstream"


def encrypted():
    pdf = Pdf()
    pdf.page(text(30, 150, "It is open to who knows the word."))
    return pdf.bytes(encrypt=Rc4()), "It is open to who knows the word.", ["page 1 - 300 200"]


def encrypted_bomb():
    """An encrypted file with objects that unpack to 4 MiB."""
    pdf = Pdf()
    pdf.page(text(30, 150, "It is small."))
    pdf.stream(b" " * (4 << 20), "/Type /ObjStm /N 1 /First 4")
    return pdf.bytes(encrypt=Rc4()), None, None


for make in (pages, columns, numbered, table, turned, marked, unicode_codes, right_to_left, scan, scan_alone, damaged, half, encrypted,
             encrypted_bomb):
    data, expected, facts = make()
    name = make.__name__
    (FOLDER / f"{name}.pdf").write_bytes(data)
    if expected is not None:
        (FOLDER / f"{name}.txt").write_text(expected, newline="")
        (FOLDER / f"{name}.map").write_text("".join(fact + "\n" for fact in facts), newline="")
