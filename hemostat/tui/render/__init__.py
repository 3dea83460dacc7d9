"""Values as styled text. Pure functions. Every colour is accompanied by a word or a glyph."""
