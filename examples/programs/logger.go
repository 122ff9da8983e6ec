// Logs the samples of the first converter until it goes: logger [--stubborn].
//
// With --stubborn it has a mistake that real programs have: an error of a read is tried
// again, whatever it is.
package main

import (
	"fmt"
	"os"
	"syscall"
)

const (
	node     = "/dev/iio:device0"
	settings = "/sys/bus/iio/devices/iio:device0/"
)

func log(stubborn bool) error {
	for _, name := range []string{"scan_elements/in_voltage0_en", "buffer/enable"} {
		if err := os.WriteFile(settings+name, []byte("1"), 0); err != nil {
			return err
		}
	}
	fd, err := syscall.Open(node, syscall.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	defer syscall.Close(fd)
	samples := 0
	sample := make([]byte, 2)
	for {
		n, err := syscall.Read(fd, sample)
		switch {
		case err == nil:
			samples += n / 2
		case stubborn:
		case err == syscall.ENODEV:
			fmt.Printf("gone after %d samples\n", samples)
			return nil
		default:
			return fmt.Errorf("%s: %w", node, err)
		}
	}
}

func main() {
	if err := log(len(os.Args) > 1 && os.Args[1] == "--stubborn"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
