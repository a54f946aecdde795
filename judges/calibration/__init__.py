"""How far judges agree with people: labels, figures, and what is kept of them."""
