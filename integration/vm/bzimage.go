package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
)

// Offsets in a bzImage's setup header (Documentation/arch/x86/boot.rst).
const (
	offSetupSects    = 0x1f1
	offMagic         = 0x202
	offVersion       = 0x206
	offPayload       = 0x248
	offPayloadLength = 0x24c
	setupHeaderEnd   = 0x250
	versionPayload   = 0x0208 // the first one that tells where the payload is
	sector           = 512
)

// compressions are those that the kernel's payload comes in, by how it begins.
// Behind all but gzip's, which ends in it anyway, the kernel's build appends
// the size of the unpacked kernel.
var compressions = []struct {
	magic   string
	program string
	trailer int
}{
	{"\xfd7zXZ\x00", "xz", 4},
	{"\x1f\x8b", "gzip", 0},
	{"\x28\xb5\x2f\xfd", "zstd", 4},
}

// vmlinux takes the ELF kernel out of a bzImage. QEMU starts it directly; the
// bzImage would unpack itself in the emulated processor, which takes seconds.
func vmlinux(image []byte) ([]byte, error) {
	payload, err := payload(image)
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(payload[len(payload)-4:])
	for _, c := range compressions {
		if !bytes.HasPrefix(payload, []byte(c.magic)) {
			continue
		}
		kernel, err := decompress(c.program, payload[:len(payload)-c.trailer])
		if err != nil {
			return nil, err
		}
		if len(kernel) != int(size) {
			return nil, fmt.Errorf("the kernel is %d bytes long where its image says %d", len(kernel), size)
		}
		if !bytes.HasPrefix(kernel, []byte("\x7fELF")) {
			return nil, errors.New("the kernel in the image is no ELF file")
		}
		return kernel, nil
	}
	return nil, fmt.Errorf("the kernel is compressed in an unknown way: it begins with % x", payload[:4])
}

func payload(image []byte) ([]byte, error) {
	if len(image) < setupHeaderEnd || string(image[offMagic:offMagic+4]) != "HdrS" {
		return nil, errors.New("this is no bzImage: it has no setup header")
	}
	le := binary.LittleEndian
	if v := le.Uint16(image[offVersion:]); v < versionPayload {
		return nil, fmt.Errorf("the bzImage is of boot protocol %#x, which does not tell where the kernel is", v)
	}
	sects := int(image[offSetupSects])
	if sects == 0 {
		sects = 4
	}
	start := (sects+1)*sector + int(le.Uint32(image[offPayload:]))
	end := start + int(le.Uint32(image[offPayloadLength:]))
	if end > len(image) || end-start < 8 {
		return nil, fmt.Errorf("the bzImage is damaged: its kernel is at %d to %d of %d bytes", start, end, len(image))
	}
	return image[start:end], nil
}

func decompress(program string, data []byte) ([]byte, error) {
	cmd := exec.Command(program, "-dc")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("unpack the kernel with %s: %w: %s", program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
