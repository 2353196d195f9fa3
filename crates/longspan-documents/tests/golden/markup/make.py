"""Makes the files of this folder that are read: HTML, XHTML, Markdown and CSV with what pages in the wild have.

    python3 make.py

The `.golden` files beside them are what the reader makes of them, compared with what a browser shows. When one changes,
`cargo test -p longspan-documents --test markup` says where the new one lies; look at it before it is copied here.
"""

from pathlib import Path

FOLDER = Path(__file__).parent


def write(name, text, encoding="utf-8"):
    (FOLDER / name).write_bytes(text.encode(encoding))


MUSEUM = """<!DOCTYPE html>
<html lang="en-GB">
<head>
  <meta charset="utf-8">
  <title>Museum &amp; garden
    of Ribe</title>
  <style>body > p { color: red }</style>
  <script>if (1 < 2) document.write("<p>never shown</p>")</script>
</head>
<body>
<header>The museum<h1>Visiting <em>hours</em></h1></header>
<nav><ul><li><a href="/">Home</a></li><li><a href="/shop">Shop</a></li></ul></nav>
<noscript><p>Turn scripts on</p></noscript>
<svg><title>Logo</title><text>drawn</text></svg>
<template><p>not yet</p></template>
<div hidden>secret <div>deeper</div> end</div>
<p hidden>also secret
<p>The museum opens at&nbsp;10 am,<br>
  and closes   at <b>5</b> pm&mdash;Mon&shy;days ex&#99;epted &nLl; &ltall day.<!-- no --></p>
<p style="color: red; display:none">nor this</p>
<h2>How to come</h2>
<ol start="3"><li>Take the train to <a href="x">Ribe</a></li>
<li value="7"><p>Walk.</p><p>It is <i>not</i> far.</p></li>
<li>Enter<ol type="i"><li>by the gate<li>or the door</ol></li></ol>
<ul><li>One<ul><li>Two</ul><li>Three</ul>
<dl><dt>Adults</dt><dd>60 kr</dd><dt>Children</dt><dd>free</dd></dl>
<table><caption>Prices in 2024</caption>
<thead><tr><th>Who<th>Summer<th>Winter</thead>
<tr><td rowspan=2>Adults</td><td colspan="2">60 kr</td></tr>
<tr><td>50 kr<td></tr>
<tr><td><p>Groups</p><p>of ten</p></td><td><table><tr><td>a<td>b</table></td><td>c</td></tr>
</table>
<figure><img src="m.jpg" alt="A house"><figcaption>The house in 1911</figcaption></figure>
<pre>
  if x:
      <code>y</code>\t= 1

</pre>
<blockquote>It was <q>cold</q>.</blockquote>
<section><header>By Ada Brown</header><h3>History</h3><p>Built in 1750.<sup>1</sup></p>
<aside role="doc-footnote">1 Or 1751.</aside></section>
<aside>Advertisement</aside>
<footer><p>&copy; 2024 Ribe<table><tr><td>Phone</td><td>75 42</td></tr></table></footer>
</body></html>
"""

SOUP = """<html><head><title>Soup</title>
<body bgcolor=white>
<H1>Unclosed<H2>Second</H3>
<p>One <b>two <i>three</b> four</i><p>Five</div></span>
<ul><li hidden>gone<li>Item<p>more<li>Other</ul></ul>
<td>A cell without a table</td>
<table><td>First<td>Second<tr><td>Third<table><tr><td>Inner</tr></table>after<tr><td>Last</table>
1 < 2 && 3 > 2 &unknown; &#0; &#x80; </>
<div style=display:none><p>hidden <div>until</div></div>
<textarea>
 kept
  as is</textarea>
<font color=red>red<hr>line</font>
<video>Your browser is old</video>
End<p hidden>Never closed"""

BOOK = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="la">
<head><title/><script src="a.js"/><title>Liber</title></head>
<body><a id="top"/><div hidden="hidden"/><p>Arma <span epub:type="pagebreak" title="12"/>virum<![CDATA[ <que> ]]>cano.</p>
<aside epub:type="footnote"><p>Nota.</p></aside><p/></body></html>
"""

NOTES = """---
title: "Notes on pumps"
author: Ada
---

# Notes  on *pumps* {#top}

Setext
------

The pump ran in **1911**, and
`cost  a lot`: 5 &euro; \\*net\\*.  
It [stopped](http://example.org "t") <b>twice</b>.[^1]

1. First
   - nested `a | b`
2. Second

   with a paragraph
3) [ ] to do
4) [x] done

> Quoted
> over lines

| Part | Price |
|------|------:|
| Pump | 5 \\| 6 |
| Rod  |       |

```rust
fn main() {
    pump();
}
```

    indented code

<div align="center">

**Bold** in a division

</div>

<details><summary>More</summary>
<p>Hidden in a
fold</p>
</details>

<!-- a comment
over lines -->

Use the <title> element, `<b>`, ~~not~~ and ![a picture](p.png).

Term
: Definition

[^1]: In 1912 and 1913.

[ref]: http://example.org
"""

TABLE = """\ufeffcity;mayor;note\r
Ribe;Karl Moen;"since 2021; ""acting""\r
and elected"\r
\r
Odde;"Anna Holm";\r
"""


def main():
    write("museum.html", MUSEUM.replace("<aside>Adv", "\r\n<aside>\r\nAdv"))
    write("soup.html", SOUP)
    write("book.xhtml", BOOK)
    russian = "<meta http-equiv=content-type content='text/html; charset=windows-1251'><p>Музей открыт в <b>10</b> часов"
    write("russian.htm", russian, "windows-1251")
    write("notes.md", NOTES)
    write("lines.markdown", NOTES.split("---\n", 2)[2].replace("\n", "\r\n"))
    write("table.csv", TABLE)


main()
