"""Tables of the libraries whose settings can be brought over, one module each."""
