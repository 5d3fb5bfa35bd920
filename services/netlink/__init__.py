"""Messages of the kernel's nfnetlink and rtnetlink: built and read as bytes, standard library only.

Only `connection` knows a socket; everything else is pure.
"""
