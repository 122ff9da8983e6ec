"""rows KIND PATH ATTRIBUTE: the C program of this name in Python.

It knows cameras (v4l2) and converters (iio-chrdev, iio-buffer, iio-event).
"""

import errno
import fcntl
import mmap
import os
import select
import stat
import struct
import sys

CAPTURE = 1
MMAP = 1
BRIGHTNESS = 0x00980900
QUERYCAP, G_FMT, REQBUFS, QUERYBUF = 0x80685600, 0xC0D05604, 0xC0145608, 0xC0585609
QBUF, DQBUF, STREAMON, STREAMOFF = 0xC058560F, 0xC0585611, 0x40045612, 0x40045613
G_CTRL, S_CTRL, CEC_ADAP_G_CAPS = 0xC008561B, 0xC008561C, 0xC04C6100
EXPBUF, DQEVENT, SUBSCRIBE_EVENT, EVENT_CTRL = 0xC0405610, 0x80885659, 0x4020565A, 3
GET_EVENT_FD, GET_BUFFER_FD = 0x80046990, 0xC0046991
FIONREAD, FIONBIO = 0x541B, 0x5421


def said(run):
    """What a call gave: its number or text, or its error's name."""
    try:
        result = run()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "0" if result is None else str(result)


def buffer(index):
    return bytearray(struct.pack("II52xI24x", index, CAPTURE, MMAP))


class Held:
    def __init__(self, kind, path, attribute):
        self.path, self.attribute = path, attribute
        self.known, self.unknown, self.foreign = (
            (QUERYCAP, ord("V") << 8 | 191, CEC_ADAP_G_CAPS)
            if kind == "v4l2"
            else (GET_EVENT_FD, ord("i") << 8 | 0xFF, QUERYCAP)
        )
        self.node = os.open(path, os.O_RDWR)
        of = {"iio-buffer": GET_BUFFER_FD, "iio-event": GET_EVENT_FD}.get(kind)
        self.fd = self.get(of) if of else self.node
        self.attribute_fd = os.open(attribute, os.O_RDONLY)
        self.mapping = None
        self.length, self.offset = 4096, 0

    def get(self, command):
        argument = bytearray(4)
        fcntl.ioctl(self.node, command, argument)
        return struct.unpack("i", argument)[0]

    def ioctl(self, command, argument=None, fd=None):
        argument = bytearray(512) if argument is None else argument
        fcntl.ioctl(self.fd if fd is None else fd, command, argument)
        if command in (GET_EVENT_FD, GET_BUFFER_FD):
            os.close(struct.unpack_from("i", argument)[0])

    def start(self):
        self.request(3)
        first = buffer(0)
        self.ioctl(QUERYBUF, first)
        (self.offset,) = struct.unpack_from("I", first, 64)
        (self.length,) = struct.unpack_from("I", first, 72)
        self.mapping = self.map()
        for index in range(3):
            self.ioctl(QBUF, buffer(index))
        self.stream(STREAMON)

    def map(self):
        return mmap.mmap(self.fd, self.length, offset=self.offset)

    def request(self, count):
        self.ioctl(REQBUFS, bytearray(struct.pack("IIIII", count, CAPTURE, MMAP, 0, 0)))

    def stream(self, command):
        self.ioctl(command, bytearray(struct.pack("I", CAPTURE)))

    def export(self):
        argument = bytearray(struct.pack("I60x", CAPTURE))
        fcntl.ioctl(self.fd, EXPBUF, argument)
        os.close(struct.unpack_from("i", argument, 16)[0])

    def subscribe(self):
        self.ioctl(SUBSCRIBE_EVENT, bytearray(struct.pack("II24x", EVENT_CTRL, BRIGHTNESS)))

    def control(self, command):
        self.ioctl(command, bytearray(struct.pack("Ii", BRIGHTNESS, 9)))

    def make_node(self):
        """A node of one's own for the held one's number."""
        path = f"/tmp/lastfd-rows-{os.getpid()}"
        os.mknod(path, stat.S_IFCHR | 0o600, os.fstat(self.node).st_rdev)
        try:
            return self.open(path, os.O_RDWR)
        finally:
            os.unlink(path)

    def fstat(self):
        there = os.fstat(self.node)
        return f"nlink {there.st_nlink} mode {there.st_mode:o}"

    def poll(self, events):
        poller = select.poll()
        poller.register(self.fd, events)
        return self.mask(poller.poll(0))

    def epoll(self):
        with select.epoll() as queue:
            queue.register(self.fd, 7)
            return self.mask(queue.poll(0))

    def mask(self, found):
        """The bits of poll, which are those of epoll."""
        mask = found[0][1] if found else 0
        names = ["IN", "PRI", "OUT", "ERR", "HUP"]
        return "/".join(name for bit, name in enumerate(names) if mask >> bit & 1) or "0"

    def open(self, path, flags):
        os.close(os.open(path, flags))

    def on_a_dup(self):
        fd = os.dup(self.fd)
        try:
            self.ioctl(self.known, fd=fd)
        finally:
            os.close(fd)

    def map_anew(self):
        self.map().close()

    def touch(self):
        if self.mapping is None:
            return "no mapping"
        self.mapping[100] = ord("t")
        return "read+write ok" if self.mapping[100] == ord("t") else "something else was read"

    def read_nonblocking(self):
        os.set_blocking(self.fd, False)
        try:
            return len(os.read(self.fd, 64))
        finally:
            os.set_blocking(self.fd, True)

    def calls(self):
        proc = f"/proc/self/fd/{self.node}"
        return {
            "begin a stream": self.start,
            "fstat": self.fstat,
            "stat(path)": lambda: os.stat(self.path) and 0,
            "lseek SET 0": lambda: os.lseek(self.fd, 0, os.SEEK_SET),
            "lseek CUR": lambda: os.lseek(self.fd, 0, os.SEEK_CUR),
            "lseek END": lambda: os.lseek(self.fd, 0, os.SEEK_END),
            "poll IN/PRI/OUT": lambda: self.poll(7),
            "poll events=0": lambda: self.poll(0),
            "epoll add+wait": self.epoll,
            "fcntl F_GETFL": lambda: fcntl.fcntl(self.fd, fcntl.F_GETFL),
            "ioctl FIONREAD": lambda: self.ioctl(FIONREAD),
            "ioctl FIONBIO": lambda: self.ioctl(FIONBIO),
            "ioctl foreign magic": lambda: self.ioctl(self.foreign),
            "ioctl unknown nr": lambda: self.ioctl(self.unknown),
            "ioctl known": lambda: self.ioctl(self.known),
            "dup+ioctl known": self.on_a_dup,
            "mmap new": self.map_anew,
            "touch held mapping": self.touch,
            "fresh open(path)": lambda: self.open(self.path, os.O_RDWR),
            "open /proc/self/fd/N": lambda: self.open(proc, os.O_RDWR),
            "mknod same rdev + open": self.make_node,
            "sysfs attr held fd pread": lambda: len(os.pread(self.attribute_fd, 4096, 0)),
            "sysfs attr open(path)": lambda: self.open(self.attribute, os.O_RDONLY),
            "G_FMT": lambda: self.ioctl(G_FMT, bytearray(struct.pack("I204x", CAPTURE))),
            "G_CTRL": lambda: self.control(G_CTRL),
            "S_CTRL": lambda: self.control(S_CTRL),
            "SUBSCRIBE_EVENT": self.subscribe,
            "DQEVENT": lambda: self.ioctl(DQEVENT, bytearray(136)),
            "EXPBUF": self.export,
            "QBUF 0": lambda: self.ioctl(QBUF, buffer(0)),
            "DQBUF": lambda: self.ioctl(DQBUF, buffer(0)),
            "STREAMOFF": lambda: self.stream(STREAMOFF),
            "STREAMOFF 2": lambda: self.stream(STREAMOFF),
            "STREAMON": lambda: self.stream(STREAMON),
            "REQBUFS 0": lambda: self.request(0),
            "IIO_BUFFER_GET_FD": lambda: self.ioctl(GET_BUFFER_FD, fd=self.node),
            "read nonblock": self.read_nonblocking,
            "read blocking": lambda: len(os.read(self.fd, 64)),
            "read 0 bytes": lambda: len(os.read(self.fd, 0)),
            "pread": lambda: len(os.pread(self.fd, 64, 0)),
            "write": lambda: os.write(self.fd, bytes(16)),
            "write (2)": lambda: os.write(self.fd, bytes(16)),
        }


def main():
    held = Held(*sys.argv[1:])
    calls = held.calls()
    print("ready", flush=True)
    for line in sys.stdin:
        call = calls.get(line.rstrip("\n"))
        print(said(call) if call else "no such operation", flush=True)


main()
