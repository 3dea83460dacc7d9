"""What chat services would read as markup, a link or a mention."""

import re

MARKS = re.compile(
    r"\]\(|\]\[|\]:|://|@[\w&!]|<[^\s\u200b]|`|\*|(?<!\w)_|_(?!\w)|__|~|\|\||\$\$|!\[|&#?\w|\w\.[a-z]{2}|mailto:|javascript:"
    r"|:\w+:|#\w|^[#>+-]|^1\.",
)
