"""Checks the built book: every link and picture leads to a file of the book, and every anchor to an element of the page.

Usage: book_links.py FOLDER
"""

import html.parser
import pathlib
import sys
import urllib.parse

book = pathlib.Path(sys.argv[1]).resolve()


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


pages = {path: Page(path) for path in book.rglob("*.html")}
broken, checked = [], 0
for path, page in pages.items():
    if path.name in ("404.html", "toc.html"):
        # Their links are relative to the page that shows them.
        continue
    for link in page.links:
        address = urllib.parse.urlsplit(link)
        if address.scheme or address.netloc:
            continue
        checked += 1
        file = (path.parent / urllib.parse.unquote(address.path)).resolve() if address.path else path
        if file.is_dir():
            file /= "index.html"
        shown = f"{path.relative_to(book)}: {link}"
        if not file.is_file() or not file.is_relative_to(book):
            broken.append(f"{shown} is not in the book")
        elif address.fragment and file in pages and urllib.parse.unquote(address.fragment) not in pages[file].ids:
            broken.append(f"{shown} has no such heading")
if not checked:
    sys.exit(f"error: {book} has no links: is it a book?")
if broken:
    sys.exit("\n".join(broken))
print(f"{checked} links of {len(pages)} pages lead somewhere")
