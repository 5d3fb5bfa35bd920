"""An echo server as one writes it first: one client at a time.

Change it, and try it again: PROGRAM=./examples/my_server.py docker compose --profile mine up
"""

import socket

HOST = "0.0.0.0"  # every address of this host; with 127.0.0.1 no other host could reach it
PORT = 5000

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, PORT))
    listener.listen()
    while True:
        connection, peer = listener.accept()
        with connection:
            while data := connection.recv(1024):
                connection.sendall(data)
