from socketlab import lab

with lab("demo", hosts=["client", "server"], backend="auto") as demo:
    listener = demo.server.socket()            # AF_INET, SOCK_STREAM
    listener.bind((demo.server.address, 7000))
    listener.listen(1)
    pending = listener.begin.accept()
    s = demo.client.socket()
    s.settimeout(2)
    s.connect((demo.server.address, 7000))
    conn, peer = pending.result(timeout=2)
