// rows KIND PATH ATTRIBUTE: the C program of this name in Go, which makes system
// calls without a C library. It knows cameras (v4l2) and converters (iio-chrdev,
// iio-buffer, iio-event).
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

const (
	fionread      = 0x541b
	fionbio       = 0x5421
	queryCap      = 0x80685600
	gFmt          = 0xc0d05604
	reqBufs       = 0xc0145608
	queryBuf      = 0xc0585609
	qBuf          = 0xc058560f
	dqBuf         = 0xc0585611
	streamOn      = 0x40045612
	streamOff     = 0x40045613
	gCtrl         = 0xc008561b
	sCtrl         = 0xc008561c
	expBuf        = 0xc0405610
	dqEvent       = 0x80885659
	subscribe     = 0x4020565a
	controlEvent  = 3
	adapGCaps     = 0xc04c6100
	getEventFd    = 0x80046990
	getBufferFd   = 0xc0046991
	brightness    = 0x00980900
	nobody        = 0xff
	mmapMemory    = 1
	captureBuffer = 1
)

var names = map[syscall.Errno]string{
	syscall.EACCES: "EACCES", syscall.EAGAIN: "EAGAIN", syscall.EBADF: "EBADF",
	syscall.EBUSY: "EBUSY", syscall.EINTR: "EINTR", syscall.EINVAL: "EINVAL",
	syscall.ENODEV: "ENODEV", syscall.ENOENT: "ENOENT", syscall.ENOSYS: "ENOSYS",
	syscall.ENOTTY: "ENOTTY", syscall.EPERM: "EPERM", syscall.ESPIPE: "ESPIPE",
}

type held struct {
	path, attribute string
	// What is held, and the node that it is of.
	fd, node       int
	attributeFd    int
	known, unknown uintptr
	foreign        uintptr
	mapping        []byte
	mapLength      int
	mapOffset      int64
}

func said(result int, err error) string {
	if err == nil {
		return fmt.Sprint(result)
	}
	if name, ok := names[err.(syscall.Errno)]; ok {
		return name
	}
	return fmt.Sprintf("errno %d", int(err.(syscall.Errno)))
}

func ok(_ int, err error) string { return said(0, err) }

func ioctl(fd int, command uintptr, argument []byte) (int, error) {
	result, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), command,
		uintptr(unsafe.Pointer(&argument[0])))
	if errno != 0 {
		return -1, errno
	}
	return int(result), nil
}

func bare(fd int, command uintptr) string { return ok(ioctl(fd, command, make([]byte, 512))) }

func words(size int, values map[int]uint32) []byte {
	bytes := make([]byte, size)
	for at, value := range values {
		binary.LittleEndian.PutUint32(bytes[at:], value)
	}
	return bytes
}

func buffer(index uint32) []byte {
	return words(88, map[int]uint32{0: index, 4: captureBuffer, 60: mmapMemory})
}

func request(fd int, count uint32) (int, error) {
	return ioctl(fd, reqBufs, words(20, map[int]uint32{0: count, 4: captureBuffer, 8: mmapMemory}))
}

func stream(fd int, command uintptr) (int, error) {
	return ioctl(fd, command, words(4, map[int]uint32{0: captureBuffer}))
}

func must(err error, step string) {
	if err != nil {
		fmt.Printf("failed to %s: %s\n", step, said(0, err))
		os.Exit(1)
	}
}

func (h *held) start() string {
	_, err := request(h.fd, 3)
	must(err, "request buffers")
	first := buffer(0)
	_, err = ioctl(h.fd, queryBuf, first)
	must(err, "query a buffer")
	h.mapOffset = int64(binary.LittleEndian.Uint32(first[64:]))
	h.mapLength = int(binary.LittleEndian.Uint32(first[72:]))
	h.mapping, err = syscall.Mmap(h.fd, h.mapOffset, h.mapLength,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(err, "map a buffer")
	for index := uint32(0); index < 3; index++ {
		_, err = ioctl(h.fd, qBuf, buffer(index))
		must(err, "queue a buffer")
	}
	return ok(stream(h.fd, streamOn))
}

func (h *held) poll(events int16) string {
	one := struct {
		fd             int32
		events, revent int16
	}{int32(h.fd), events, 0}
	_, _, errno := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&one)), 1, 0)
	if errno != 0 {
		return said(-1, errno)
	}
	return mask(uint32(one.revent))
}

// The bits of poll, which are those of epoll.
func mask(bits uint32) string {
	var found []string
	for _, bit := range []struct {
		mask uint32
		name string
	}{{1, "IN"}, {2, "PRI"}, {4, "OUT"}, {8, "ERR"}, {16, "HUP"}} {
		if bits&bit.mask != 0 {
			found = append(found, bit.name)
		}
	}
	if found == nil {
		return "0"
	}
	return strings.Join(found, "/")
}

func (h *held) epoll() string {
	queue, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	must(err, "make an epoll set")
	defer syscall.Close(queue)
	events := []syscall.EpollEvent{{Events: 7}}
	if err := syscall.EpollCtl(queue, syscall.EPOLL_CTL_ADD, h.fd, &events[0]); err != nil {
		return said(-1, err)
	}
	found, err := syscall.EpollWait(queue, events, 0)
	if err != nil || found == 0 {
		return ok(found, err)
	}
	return mask(events[0].Events)
}

func (h *held) export() string {
	argument := words(64, map[int]uint32{0: captureBuffer})
	result, err := ioctl(h.fd, expBuf, argument)
	if err == nil {
		syscall.Close(int(binary.LittleEndian.Uint32(argument[16:])))
	}
	return ok(result, err)
}

func opened(path string, flags int) string {
	fd, err := syscall.Open(path, flags, 0)
	if err == nil {
		syscall.Close(fd)
	}
	return ok(fd, err)
}

// makeNode makes a node of one's own for the held one's number.
func (h *held) makeNode() string {
	var stat syscall.Stat_t
	if err := syscall.Fstat(h.node, &stat); err != nil {
		return said(0, err)
	}
	path := fmt.Sprintf("/tmp/lastfd-rows-%d", os.Getpid())
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o600, int(stat.Rdev)); err != nil {
		return said(0, err)
	}
	defer os.Remove(path)
	return opened(path, syscall.O_RDWR)
}

func (h *held) fstat() string {
	var stat syscall.Stat_t
	if err := syscall.Fstat(h.node, &stat); err != nil {
		return said(-1, err)
	}
	return fmt.Sprintf("nlink %d mode %o", stat.Nlink, stat.Mode)
}

func (h *held) stat() string {
	var stat syscall.Stat_t
	return ok(0, syscall.Stat(h.path, &stat))
}

func (h *held) onADup() string {
	fd, err := syscall.Dup(h.fd)
	must(err, "dup")
	defer syscall.Close(fd)
	return h.get(fd, h.known)
}

// An ioctl that may give a descriptor, which is closed again.
func (h *held) get(fd int, command uintptr) string {
	argument := make([]byte, 512)
	result, err := ioctl(fd, command, argument)
	if err == nil && (command == getEventFd || command == getBufferFd) {
		syscall.Close(int(binary.LittleEndian.Uint32(argument)))
	}
	return ok(result, err)
}

func (h *held) read(count int) string {
	return said(syscall.Read(h.fd, make([]byte, 64)[:count]))
}

func (h *held) readNonblocking() string {
	must(syscall.SetNonblock(h.fd, true), "set a flag")
	defer syscall.SetNonblock(h.fd, false)
	return h.read(64)
}

func (h *held) mapAnew() string {
	mapping, err := syscall.Mmap(h.fd, h.mapOffset, h.mapLength,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err == nil {
		syscall.Munmap(mapping)
	}
	return ok(0, err)
}

func (h *held) touch() string {
	if h.mapping == nil {
		return "no mapping"
	}
	h.mapping[100] = 't'
	if h.mapping[100] != 't' {
		return "something else was read"
	}
	return "read+write ok"
}

func (h *held) seek(whence int) string {
	at, err := syscall.Seek(h.fd, 0, whence)
	return said(int(at), err)
}

func (h *held) flags() string {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(h.fd), syscall.F_GETFL, 0)
	if errno != 0 {
		return said(-1, errno)
	}
	return said(int(flags), nil)
}

func (h *held) call(operation string) string {
	bytes := make([]byte, 4096)
	switch operation {
	case "begin a stream":
		return h.start()
	case "fstat":
		return h.fstat()
	case "stat(path)":
		return h.stat()
	case "lseek SET 0":
		return h.seek(0)
	case "lseek CUR":
		return h.seek(1)
	case "lseek END":
		return h.seek(2)
	case "poll IN/PRI/OUT":
		return h.poll(7)
	case "poll events=0":
		return h.poll(0)
	case "epoll add+wait":
		return h.epoll()
	case "fcntl F_GETFL":
		return h.flags()
	case "ioctl FIONREAD":
		return bare(h.fd, fionread)
	case "ioctl FIONBIO":
		return bare(h.fd, fionbio)
	case "ioctl foreign magic":
		return bare(h.fd, h.foreign)
	case "ioctl unknown nr":
		return bare(h.fd, h.unknown)
	case "ioctl known":
		return h.get(h.fd, h.known)
	case "dup+ioctl known":
		return h.onADup()
	case "mmap new":
		return h.mapAnew()
	case "touch held mapping":
		return h.touch()
	case "fresh open(path)":
		return opened(h.path, syscall.O_RDWR)
	case "open /proc/self/fd/N":
		return opened(fmt.Sprintf("/proc/self/fd/%d", h.node), syscall.O_RDWR)
	case "mknod same rdev + open":
		return h.makeNode()
	case "sysfs attr held fd pread":
		return said(syscall.Pread(h.attributeFd, bytes, 0))
	case "sysfs attr open(path)":
		return opened(h.attribute, syscall.O_RDONLY)
	case "G_FMT":
		return ok(ioctl(h.fd, gFmt, words(208, map[int]uint32{0: captureBuffer})))
	case "G_CTRL":
		return ok(ioctl(h.fd, gCtrl, words(8, map[int]uint32{0: brightness})))
	case "S_CTRL":
		return ok(ioctl(h.fd, sCtrl, words(8, map[int]uint32{0: brightness, 4: 9})))
	case "SUBSCRIBE_EVENT":
		return ok(ioctl(h.fd, subscribe, words(32, map[int]uint32{0: controlEvent, 4: brightness})))
	case "DQEVENT":
		return ok(ioctl(h.fd, dqEvent, make([]byte, 136)))
	case "EXPBUF":
		return h.export()
	case "QBUF 0":
		return ok(ioctl(h.fd, qBuf, buffer(0)))
	case "DQBUF":
		return ok(ioctl(h.fd, dqBuf, buffer(0)))
	case "STREAMOFF", "STREAMOFF 2":
		return ok(stream(h.fd, streamOff))
	case "STREAMON":
		return ok(stream(h.fd, streamOn))
	case "REQBUFS 0":
		return ok(request(h.fd, 0))
	case "IIO_BUFFER_GET_FD":
		return h.get(h.node, getBufferFd)
	case "read nonblock":
		return h.readNonblocking()
	case "read blocking":
		return h.read(64)
	case "read 0 bytes":
		return h.read(0)
	case "pread":
		return said(syscall.Pread(h.fd, bytes[:64], 0))
	case "write", "write (2)":
		return said(syscall.Write(h.fd, bytes[:16]))
	}
	return "no such operation"
}

func main() {
	if len(os.Args) != 4 {
		os.Exit(64)
	}
	h := &held{path: os.Args[2], attribute: os.Args[3], mapLength: 4096}
	switch os.Args[1] {
	case "v4l2":
		h.known, h.unknown, h.foreign = queryCap, 'V'<<8|191, adapGCaps
	case "iio-chrdev", "iio-buffer", "iio-event":
		h.known, h.unknown, h.foreign = getEventFd, 'i'<<8|nobody, queryCap
	default:
		os.Exit(64)
	}
	var err error
	h.fd, err = syscall.Open(h.path, syscall.O_RDWR, 0)
	must(err, "open the node")
	h.node = h.fd
	if of, ok := map[string]uintptr{"iio-buffer": getBufferFd, "iio-event": getEventFd}[os.Args[1]]; ok {
		argument := make([]byte, 4)
		_, err = ioctl(h.node, of, argument)
		must(err, "get a descriptor")
		h.fd = int(binary.LittleEndian.Uint32(argument))
	}
	h.attributeFd, err = syscall.Open(h.attribute, syscall.O_RDONLY, 0)
	must(err, "open the attribute")
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(h.call(lines.Text()))
	}
}
