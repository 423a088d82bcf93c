"""Tasks and the driver that trains and evaluates any of them."""
