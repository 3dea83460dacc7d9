"""Vendors, one module or package each: they translate, and decide nothing."""
