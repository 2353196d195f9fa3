"""Makes the office documents of this folder: python make.py

Each holds what its name says, in as little XML as Word and LibreOffice open. The files NAME.map beside them say what is to be
read: title, language and warnings, then a line for each block with its kind, its page, the label of the page, and its text.
They were written by hand from what the two programs show.
"""

import zipfile
from pathlib import Path
from posixpath import normpath

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
STRICT_R = "http://purl.oclc.org/ooxml/officeDocument/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def package(name, parts):
    """A zip container; its bytes depend on nothing but the parts."""
    with zipfile.ZipFile(Path(__file__).parent / name, "w") as container:
        for part, content in parts:
            info = zipfile.ZipInfo(part, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if part == "mimetype" else zipfile.ZIP_DEFLATED
            container.writestr(info, content)


def relations(*targets):
    lines = [f'<Relationship Id="rId{i}" Type="{kind}" Target="{target}"/>' for i, (kind, target) in enumerate(targets, 1)]
    return f'{DECLARATION}<Relationships xmlns="{RELATIONS}">{"".join(lines)}</Relationships>'


def docx(name, body, parts=(), core=None, main="word/document.xml", w=W, r=R):
    """- parts: (kind, name in the folder of the main part, its XML)"""
    folder, file = main.rsplit("/", 1)
    spaces = (
        f'xmlns:w="{w}" xmlns:r="{r}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    content_types = (
        f'{DECLARATION}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{WORD}.document.main+xml"/></Types>'
    )
    of_package = [(f"{r}/officeDocument", main)]
    files = [("[Content_Types].xml", content_types)]
    if core:
        of_package.append((f"{RELATIONS}/metadata/core-properties", "docProps/core.xml"))
        spaces_of_core = (
            'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"'
        )
        files.append(("docProps/core.xml", f"{DECLARATION}<cp:coreProperties {spaces_of_core}>{core}</cp:coreProperties>"))
    files += [
        ("_rels/.rels", relations(*of_package)),
        (main, f"{DECLARATION}<w:document {spaces}><w:body>{body}</w:body></w:document>"),
        (f"{folder}/_rels/{file}.rels", relations(*((f"{r}/{kind}", target) for kind, target, _ in parts))),
    ]
    for _, target, xml in parts:
        root, rest = xml.split(">", 1)
        files.append((normpath(f"{folder}/{target}"), f"{DECLARATION}{root} {spaces}>{rest}"))
    package(name, files)


def run(text, properties=""):
    return f'<w:r>{properties and f"<w:rPr>{properties}</w:rPr>"}<w:t xml:space="preserve">{text}</w:t></w:r>'


def p(*content, style=None, properties=""):
    if style:
        properties = f'<w:pStyle w:val="{style}"/>' + properties
    content = "".join(part if part.startswith("<") else run(part) for part in content)
    return f'<w:p>{properties and f"<w:pPr>{properties}</w:pPr>"}{content}</w:p>'


def item(number, level, *content):
    return p(*content, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def level(number, form, text, more=""):
    return f'<w:lvl w:ilvl="{number}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>{more}<w:lvlText w:val="{text}"/></w:lvl>'


def style(name, title, more="", kind="paragraph", default=False):
    mark = ' w:default="1"' if default else ""
    return f'<w:style w:type="{kind}" w:styleId="{name}"{mark}><w:name w:val="{title}"/>{more}</w:style>'


STYLES = "<w:styles>" + "".join(
    [
        '<w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="en-GB" w:eastAsia="ja-JP"/></w:rPr></w:rPrDefault></w:docDefaults>',
        style("Normal", "Normal", default=True),
        style("Titel", "Title", '<w:basedOn w:val="Normal"/>'),
        style("berschrift1", "heading 1", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="0"/></w:pPr>'),
        style("berschrift2", "heading 2", '<w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="1"/></w:pPr>'),
        style("Clause", "Clause", '<w:basedOn w:val="berschrift2"/><w:pPr><w:outlineLvl w:val="9"/></w:pPr>'),
        style("Chapter", "Chapter", '<w:basedOn w:val="berschrift1"/><w:pPr><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr>'),
        style("Legend", "caption", '<w:basedOn w:val="Normal"/>'),
        style("Loop1", "Loop 1", '<w:basedOn w:val="Loop2"/>'),
        style("Loop2", "Loop 2", '<w:basedOn w:val="Loop1"/>'),
    ]
) + "</w:styles>"

NUMBERING = "<w:numbering>" + "".join(
    [
        '<w:abstractNum w:abstractNumId="0">',
        level(0, "decimal", "%1.", '<w:pStyle w:val="berschrift1"/>'),
        level(1, "decimal", "%1.%2", '<w:pStyle w:val="berschrift2"/>'),
        level(2, "lowerLetter", "(%3)", '<w:suff w:val="space"/>'),
        level(3, "lowerRoman", "(%4)"),
        "</w:abstractNum>",
        '<w:abstractNum w:abstractNumId="1">' + level(0, "bullet", "\uf0b7") + level(1, "bullet", "–") + "</w:abstractNum>",
        '<w:abstractNum w:abstractNumId="2">',
        level(0, "upperRoman", "Article %1:"),
        level(1, "decimalZero", "§ %1.%2", "<w:isLgl/>"),
        level(2, "ordinalText", "%3", '<w:lvlRestart w:val="0"/>'),
        "</w:abstractNum>",
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>',
        '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>',
        '<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>',
        '<w:num w:numId="4"><w:abstractNumId w:val="2"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>',
    ]
) + "</w:numbering>"

LISTS = (("styles", "styles.xml", STYLES), ("numbering", "numbering.xml", NUMBERING))


def numbers():
    body = [
        p("Lease", style="Titel"),
        p("Definitions", style="berschrift1"),
        p("Terms", style="berschrift2"),
        p("Rent is due monthly.", style="Clause"),
        item(1, 2, "in advance"),
        item(1, 2, "in cash"),
        item(1, 3, "or by cheque"),
        p(style="berschrift2"),
        p("Duties", style="berschrift1"),
        p("Repairs", style="berschrift2"),
        item(2, 0, "a roof"),
        item(2, 1, "its gutters"),
        item(3, 0, "Notice"),
        item(3, 1, "in writing"),
        item(3, 2, "to the owner"),
        item(3, 0, "Seat"),
        item(3, 2, "in Leeds"),
        item(4, 0, "Costs"),
        item(4, 0, "Law"),
        item(9, 0, "of no list"),
        p("A foreword", style="Chapter"),
        p("Figure 1", style="Legend"),
        p("Round and round.", style="Loop1"),
    ]
    docx("numbers.docx", "".join(body), LISTS, core="<dc:title> A\n lease </dc:title><dc:language>en-US</dc:language>")


def cell(*content, properties=""):
    content = "".join(part if part.startswith("<w:p>") or part.startswith("<w:tbl>") else p(part) for part in content)
    return f"<w:tc>{properties and f'<w:tcPr>{properties}</w:tcPr>'}{content}</w:tc>"


def table(columns, *rows):
    grid = "<w:gridCol/>" * columns
    return f'<w:tbl><w:tblPr/><w:tblGrid>{grid}</w:tblGrid>{"".join(f"<w:tr>{row}</w:tr>" for row in rows)}</w:tbl>'


def tables():
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    inner = table(2, cell("deep") + cell("deeper"), cell("low") + cell("lower"))
    body = [
        p("Before."),
        table(
            3,
            cell("Name") + cell("Born", "in") + cell("Died"),
            cell("Ada", properties='<w:gridSpan w:val="2"/>') + cell(p("1852", note)),
            cell(p()) + cell(inner, p()) + cell("end", properties="<w:vMerge/>"),
            f'<w:trPr><w:gridBefore w:val="1"/></w:trPr>{cell("late")}<w:sdt><w:sdtPr><w:t/></w:sdtPr><w:sdtContent>{cell("later")}</w:sdtContent></w:sdt>',
        ),
        p("Between", note.replace("2", "3"), "."),
        table(1, cell("A frame."), cell("Its end.")),
        p("After."),
    ]
    notes = "".join(
        f'<w:footnote w:id="{i}"{kind}>{content}</w:footnote>'
        for i, kind, content in [
            (0, ' w:type="separator"', p("line")),
            (2, "", p('<w:r><w:footnoteRef/></w:r>', " In London.") + p("Of cancer.")),
            (3, "", p("Nothing is between.")),
        ]
    )
    docx("tables.docx", "".join(body), [("footnotes", "footnotes.xml", f"<w:footnotes>{notes}</w:footnotes>")])


def field(instruction, result):
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    return (
        mark.format("begin") + f"<w:r><w:instrText>{instruction}</w:instrText></w:r>" + mark.format("separate") + run(result) + mark.format("end")
    )


def changes():
    box = f"<w:txbxContent>{p('In a box.')}</w:txbxContent>"
    nested = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>IF </w:instrText></w:r>'
        + field("MERGEFIELD a", "hidden")
        + '<w:r><w:fldChar w:fldCharType="separate"/></w:r>' + run("shown") + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    check = (
        '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r>'
        '<w:r><w:instrText>FORMCHECKBOX</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    body = [
        p("The fee is ", "<w:del><w:r><w:delText>10</w:delText></w:r></w:del>", f"<w:ins>{run('12')}</w:ins>", " pounds."),
        p("<w:del><w:r><w:delText>All gone.</w:delText></w:r></w:del>", properties="<w:rPr><w:del/></w:rPr>"),
        p("Two lines ", properties="<w:rPr><w:del/></w:rPr>"),
        p("became one."),
        p(f"<w:moveFrom>{run('Moved away.')}</w:moveFrom>", f"<w:moveTo>{run('Moved here.')}</w:moveTo>"),
        p("Anchor", f"<w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Choice>{box}</mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>", "."),
        p("Hidden ", run("secret ", "<w:vanish/>"), run("not ", '<w:vanish w:val="0"/>'), field("PAGE", "text"), "."),
        p(nested, " ", check, " <w:bogus/>"),
        p("<w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>known, hy</w:t><w:softHyphen/><w:t>phen</w:t><w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t></w:r>"),
        p('<w:r><w:sym w:font="Symbol" w:char="F061"/><w:t> and </w:t><w:sym w:font="Wingdings" w:char="F0FE"/><w:sym w:font="Fancy" w:char="F012"/></w:r>'),
        p("<m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>", " AT&amp;T &#x20AC;5 &unknown; R&D"),
        "<w:sdt><w:sdtPr/><w:sdtContent>" + p('<w:hyperlink r:id="x">' + run("A link") + "</w:hyperlink>", "<w:ruby><w:rt>" + run("ruby") + "</w:rt><w:rubyBase>" + run(" base") + "</w:rubyBase></w:ruby>") + "</w:sdtContent></w:sdt>",
    ]
    body += [p("D", properties='<w:framePr w:dropCap="drop"/>'), p("rop cap.")]
    docx("changes.docx", "".join(body))


def pages():
    soft, hard = "<w:r><w:lastRenderedPageBreak/></w:r>", '<w:r><w:br w:type="page"/></w:r>'

    def section(start="", form="", first=False, more=""):
        number = f'<w:pgNumType{start and f""" w:start="{start}" """}{form and f""" w:fmt="{form}" """}/>'
        heads = '<w:headerReference w:type="default" r:id="rId3"/><w:headerReference w:type="first" r:id="rId4"/><w:footerReference w:type="default" r:id="rId5"/>'
        return f'<w:sectPr>{heads}{more}<w:pgSz w:w="11906" w:h="16838"/>{number}{"<w:titlePg/>" if first else ""}</w:sectPr>'

    cut_row = table(2, cell(p("left", soft, "side")) + cell(p("right ", soft, "side")))
    note = '<w:r><w:endnoteReference w:id="1"/></w:r>'
    own = '<w:r><w:footnoteReference w:customMarkFollows="1" w:id="1"/><w:t>*</w:t></w:r>'
    body = [
        p("Preface", hard, properties="<w:pageBreakBefore/>"),
        p(soft, "Thanks go on ", soft, "over a page.", note),
        p("They end.", own, properties=section(form="lowerRoman")),
        p(soft, "One", style="berschrift1"),
        cut_row,
        p(hard),
        p(hard, hard),
        p(soft, "Last."),
        p(soft, "New.", properties="<w:pageBreakBefore/>"),
        section(start="1", more='<w:type w:val="nextPage"/>'),
    ]
    parts = [
        ("footnotes", "notes/foot.xml", f'<w:footnotes><w:footnote w:id="1">{p("* Own mark.")}</w:footnote></w:footnotes>'),
        ("endnotes", "notes/end.xml", f'<w:endnotes><w:endnote w:id="1">{p("At the end.")}</w:endnote></w:endnotes>'),
        ("header", "head.xml", f"<w:hdr>{p('Running head')}</w:hdr>"),
        ("header", "../first.xml", f"<w:hdr>{p('Never shown')}</w:hdr>"),
        ("footer", "foot.xml", f"<w:ftr>{p('Page ', field('PAGE', '1'))}</w:ftr>"),
        ("styles", "styles.xml", STYLES),
    ]
    docx("pages.docx", "".join(body), parts, main="deep/document2.xml", w=STRICT_W, r=STRICT_R)


def left_out():
    spaces = {
        "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
    }
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'.format

    def drawing(content):
        return f"<w:r><w:drawing>{content}</w:drawing></w:r>"

    body = [
        p("Shown", run(" hidden", "<w:vanish/>"), "."),
        p(mark("begin"), field("PAGE", "lost"), " After a field without an end, ", field("PAGE", "page 3"), "."),
        p(mark("begin")),
        '<w:altChunk r:id="x"/>',
        p("<w:subDoc r:id=\"y\"/>"),
        p(drawing(f'<c:chart xmlns:c="{spaces["c"]}" r:id="z"/>'), drawing(f'<dgm:relIds xmlns:dgm="{spaces["dgm"]}" r:dm="a"/>')),
        p(f"<w:r><mc:AlternateContent><mc:Fallback>{run('A fallback alone.')}</mc:Fallback></mc:AlternateContent></w:r>"),
        p(field("REF a", "A reference.")),
    ]
    foot = f"<w:ftr>{p(mark('begin'), field('PAGE', 'of the foot'))}</w:ftr>"
    head = f"<w:hdr>{p(mark('begin'), 'Head')}</w:hdr>"
    section = '<w:sectPr><w:headerReference w:type="default" r:id="rId1"/><w:footerReference w:type="default" r:id="rId2"/></w:sectPr>'
    docx("left_out.docx", "".join(body) + section, [("header", "head.xml", head), ("footer", "foot.xml", foot)])


OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODF_SPACES = " ".join(
    [f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "text", "table", "style", "manifest")]
    + [f'xmlns:draw="{OFFICE}:drawing:1.0"', f'xmlns:fo="{OFFICE}:xsl-fo-compatible:1.0"', f'xmlns:svg="{OFFICE}:svg-compatible:1.0"']
    + ['xmlns:dc="http://purl.org/dc/elements/1.1/"']
)


def odt(name, body, automatic="", styles="", masters="", meta="", manifest=""):
    def part(root, content):
        return f"{DECLARATION}<office:{root} {ODF_SPACES}>{content}</office:{root}>"

    parts = f"<office:automatic-styles>{automatic}</office:automatic-styles>", f"<office:body><office:text>{body}</office:text></office:body>"
    if name.endswith(".fodt"):
        kind = 'office:mimetype="application/vnd.oasis.opendocument.text"'
        parts = f"<office:meta>{meta}</office:meta>", f"<office:styles>{styles}</office:styles>", parts[0], f"<office:master-styles>{masters}</office:master-styles>", parts[1]
        xml = f'{DECLARATION}<office:document {ODF_SPACES} {kind}>{"".join(parts)}</office:document>'
        (Path(__file__).parent / name).write_text(xml, encoding="utf-8")
        return
    package(
        name,
        [
            ("mimetype", "application/vnd.oasis.opendocument.text"),
            ("content.xml", part("document-content", "".join(parts))),
            ("styles.xml", part("document-styles", f"<office:styles>{styles}</office:styles><office:master-styles>{masters}</office:master-styles>")),
            ("meta.xml", part("document-meta", f"<office:meta>{meta}</office:meta>")),
            ("META-INF/manifest.xml", f"{DECLARATION}<manifest:manifest {ODF_SPACES}>{manifest}</manifest:manifest>"),
        ],
    )


def t(text, style=""):
    return f'<text:p{style and f""" text:style-name="{style}" """}>{text}</text:p>'


def h(text, number, more=""):
    return f'<text:h text:outline-level="{number}" {more}>{text}</text:h>'


def items(*content, more=""):
    return f'<text:list {more}>{"".join(f"<text:list-item>{part}</text:list-item>" for part in content)}</text:list>'


def text_document():
    def number(i, form, more="", kind="list-level-style-number"):
        return f'<text:{kind} text:level="{i}" style:num-format="{form}" {more}/>'

    styles = (
        '<style:default-style style:family="paragraph"><style:text-properties fo:language="de" fo:country="CH"/></style:default-style>'
        '<style:style style:name="Title" style:family="paragraph"/>'
        '<text:outline-style>'
        + number(1, "I", 'style:num-suffix="."', "outline-level-style")
        + number(2, "1", 'text:display-levels="2"', "outline-level-style")
        + "</text:outline-style>"
    )
    automatic = (
        '<text:list-style style:name="L1">' + number(1, "1", 'style:num-suffix=")"') + number(2, "a", 'style:num-prefix="(" style:num-suffix=")"') + "</text:list-style>"
        '<text:list-style style:name="L2"><text:list-level-style-bullet text:level="1" text:bullet-char="\uf0b7"/></text:list-style>'
        '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Break"><style:paragraph-properties fo:margin="0"/></style:style>'
        '<style:style style:name="Break" style:family="paragraph"><style:paragraph-properties fo:break-before="page"/></style:style>'
    )
    note = '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>{}</text:note-body></text:note>'
    frame = f"<draw:frame><draw:text-box>{t('In a frame.')}</draw:text-box><svg:title>Alt</svg:title></draw:frame><draw:frame><draw:object><office:document><text:p>A formula.</text:p></office:document></draw:object></draw:frame>"
    body = [
        "<office:forms/><text:tracked-changes><text:changed-region><text:deletion><office:change-info/>" + t("Gone.") + "</text:deletion></text:changed-region>"
        "<text:changed-region><text:insertion><office:change-info><dc:date>2026</dc:date></office:change-info></text:insertion></text:changed-region></text:tracked-changes>",
        t("A  house", "Title"),
        h("Plan", 1),
        h("Rooms", 2),
        t("\n   It   has<text:s text:c=\"3\"/>three<text:tab/>rooms<text:line-break/>and a <text:span>cel</text:span>lar." + note.format(t("Below ground.")) + '<office:annotation><dc:creator>x</dc:creator>' + t("A remark") + "</office:annotation>"),
        items(t("one") + t("more of one"), t("two") + items(t("inner")), t("three"), more='text:style-name="L1" xml:id="list1"'),
        items(t("dot"), more='text:style-name="L2"'),
        items(t("four"), more='text:style-name="L1" text:continue-list="list1"'),
        items(t("new"), more='text:style-name="L1"'),
        h("Unnumbered", 1, 'text:is-list-header="true"'),
        '<table:table><table:table-column table:number-columns-repeated="2"/><table:table-header-rows><table:table-row>'
        + "".join(f"<table:table-cell>{t(text)}</table:table-cell>" for text in ("Room", "Size"))
        + f'</table:table-row></table:table-header-rows><table:table-row><table:table-cell table:number-columns-spanned="2">{t("Hall")}{t("12 m²")}</table:table-cell><table:covered-table-cell/></table:table-row></table:table>',
        t(f"Anchor{frame} of it."),
        t("It breaks <text:soft-page-break/>softly."),
        t("And by style.", "P1"),
        h("Annex", 1),
        '<text:table-of-content><text:table-of-content-source><text:index-title-template>No</text:index-title-template></text:table-of-content-source><text:index-body>' + t("Plan 1") + "</text:index-body></text:table-of-content>",
    ]
    masters = f"<style:master-page><style:header>{t('Head')}</style:header><style:footer>{t('Foot')}</style:footer><style:footer-left>{t('Foot')}</style:footer-left></style:master-page>"
    for name in ("text.odt", "flat.fodt"):
        odt(name, "".join(body), automatic, styles, masters, "<dc:title>House</dc:title>")
    odt("encrypted.odt", t("No text."), manifest='<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>')


def epub(name, chapters, encryption="", spine="", metadata="", toc=None):
    """- chapters: (name in links, name of the part, body)"""
    xhtml = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    items = [
        f'<item id="c{i}" href="{link}" media-type="application/xhtml+xml"/>' for i, (link, _, _) in enumerate(chapters)
    ]
    refs = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters))) + spine
    files = [
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            f'{DECLARATION}<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
            '<rootfile full-path="OPS/the%20book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        ),
    ]
    if encryption:
        files.append(
            (
                "META-INF/encryption.xml",
                f'{DECLARATION}<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
                'xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
                '<enc:EncryptedKey><enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-1_5"/></enc:EncryptedKey>'
                f'<enc:EncryptedData><enc:EncryptionMethod Algorithm="{encryption}"/>'
                f'<enc:CipherData><enc:CipherReference URI="OPS/{chapters[0][0]}"/></enc:CipherData></enc:EncryptedData></encryption>',
            )
        )
    if toc == "nav":
        links = "".join(f'<li><a href="../{link}#top">Entry <b>{i}</b></a></li>' for i, (link, _, _) in enumerate(chapters))
        nav = f'<html {xhtml}><body><nav epub:type="toc"><ol><li><span>Part</span><ol>{links}</ol></li></ol></nav></body></html>'
        items.append('<item id="nav" href="toc/nav.xhtml" media-type="application/xhtml+xml" properties="scripted nav"/>')
        files.append(("OPS/toc/nav.xhtml", nav))
    if toc == "ncx":
        points = "".join(
            f'<navPoint><navLabel><text>Point {i}</text></navLabel><content src="{link}"/></navPoint>'
            for i, (link, _, _) in enumerate(chapters)
        )
        ncx = f'{DECLARATION}<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><docTitle><text>No</text></docTitle><navMap>{points}</navMap></ncx>'
        items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        files.append(("OPS/toc.ncx", ncx))
    package_file = (
        f'{DECLARATION}<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<metadata>{metadata}</metadata><manifest>{"".join(items)}</manifest><spine toc="ncx">{refs}</spine></package>'
    )
    files.append(("OPS/the book.opf", package_file))
    for _, part, body in chapters:
        if body:
            files.append((f"OPS/{part}", f"{DECLARATION}<html {xhtml}><head><title>No</title></head><body>{body}</body></html>"))
    package(name, files)


def odd_book():
    """Chapters that are no pages of HTML."""
    xhtml = '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{}</p></body></html>'
    items = [
        ("page", "page.xhtml", "application/xhtml+xml", "", xhtml.format("A page, <ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby> with a reading.")),
        ("pdf", "chapter.pdf", "application/pdf", "", b"%PDF-1.4\0\0\0"),
        ("drawing", "drawing.svg", "image/svg+xml", "", '<svg xmlns="http://www.w3.org/2000/svg"><title>No</title><defs><text>No</text></defs><text>A <tspan>drawn</tspan>\n text</text></svg>'),
        ("scan", "scan.png", "image/png", 'fallback="scan-text"', b"\x89PNG"),
        ("scan-text", "scan.xhtml", "application/xhtml+xml", "", xhtml.format("What the picture shows.")),
        ("cover", "cover.jpg", "image/jpeg", "", b"\xff\xd8\xff"),
        ("broken", "broken.svg", "image/svg+xml", "", "<svg><text>"),
        ("utf16", "utf16.xhtml", "application/xhtml+xml", "", xhtml.format("Sixteen bits.").encode("utf-16")),
    ]
    manifest = "".join(f'<item id="{name}" href="{href}" media-type="{kind}" {more}/>' for name, href, kind, more, _ in items)
    spine = "".join(f'<itemref idref="{name}"/>' for name, *_ in items if name != "scan-text") + '<itemref idref="none"/>'
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:language>English</dc:language></metadata><manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    )
    files = [("mimetype", "application/epub+zip"), ("META-INF/container.xml", container), ("book.opf", book)]
    package("odd.epub", files + [(href, content) for _, href, _, _, content in items])


def books():
    page = '<span epub:type="pagebreak" title="{}"/>'
    epub(
        "book.epub",
        [
            ("chapter%20one.xhtml", "chapter one.xhtml", f"<h1>One</h1>{page.format('ix')}<p>It begins, {page.format('x')} it goes on.</p>"),
            ("%C3%A4/two.xhtml#a", "ä/two.xhtml", "<p>It has no heading.</p>"),
            ("three.xhtml", "three.xhtml", None),
        ],
        encryption="http://www.idpf.org/2008/embedding",
        spine='<itemref idref="none"/>',
        metadata="<dc:title>A book</dc:title><dc:title>Another title</dc:title><dc:language>en-GB</dc:language>",
        toc="nav",
    )
    epub("old.epub", [("a.html", "a.html", "<p>First.</p>"), ("b.html", "b.html", "<h2>Second</h2><p>Last.</p>")], toc="ncx")
    epub("drm.epub", [("a.html", "a.html", "<p>No text.</p>")], encryption="http://www.w3.org/2001/04/xmlenc#aes128-cbc")


books()
odd_book()
numbers()
tables()
changes()
pages()
left_out()
text_document()
