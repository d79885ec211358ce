"""The HTTP interface: who may ask, forms, answers, and what is written down of them."""
