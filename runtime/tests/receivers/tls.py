"""TLS in front of receivers that have none: what comes in encrypted goes on in the clear.

    tls.py FOLDER PORT=HOST:PORT …

Whoever calls has to show a certificate. The one to trust (`ca.pem`) and the one to show (`client.pem`, `client.key`) are
made here, and lie in FOLDER. HTTP/2 is agreed on where the caller offers it and nothing else, as gRPC does.
"""

import pathlib
import socket
import ssl
import sys
import threading

import trustme


def carry(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in source, sink:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(connection, context, to):
    try:
        encrypted = context.wrap_socket(connection, server_side=True)
        plain = socket.create_connection(to)
    except OSError:
        # Whoever shows no certificate is told so by TLS itself.
        connection.close()
        return
    threading.Thread(target=carry, args=(plain, encrypted), daemon=True).start()
    carry(encrypted, plain)


def listen(listener, context, to):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, context, to), daemon=True).start()


def main(folder, *pairs):
    folder = pathlib.Path(folder)
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    client = ca.issue_cert("client.test")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1", "h2"])
    threads = []
    for pair in pairs:
        port, to = pair.split("=")
        host, to_port = to.rsplit(":", 1)
        listener = socket.create_server(("127.0.0.1", int(port)))
        threads.append(threading.Thread(target=listen, args=(listener, context, (host, int(to_port)))))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
