"""`interactive`: a person, or a pipe, at one end of a connection; what the peer says is shown as it comes."""
