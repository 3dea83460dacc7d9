"""Values as styled text. Pure functions; a colour never carries what a word or a glyph does not."""
