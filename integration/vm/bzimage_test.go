package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"
)

// bzImage builds an image as the kernel's build does: a boot sector, sects-1
// more of setup, code, the payload, more code.
func bzImage(sects byte, payload []byte) []byte {
	const code = 100
	setup := int(sects)
	if setup == 0 {
		setup = 4
	}
	image := make([]byte, (setup+1)*sector+code, 1<<16)
	image[offSetupSects] = sects
	copy(image[offMagic:], "HdrS")
	le := binary.LittleEndian
	le.PutUint16(image[offVersion:], 0x020f)
	le.PutUint32(image[offPayload:], code)
	le.PutUint32(image[offPayloadLength:], uint32(len(payload)))
	return append(append(image, payload...), "what follows"...)
}

// fakeKernel is an ELF file as far as anybody here looks.
var fakeKernel = []byte("\x7fELF" + strings.Repeat("the kernel ", 1000))

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses with a program, and appends the size as the kernel's build
// does.
func packed(t *testing.T, data []byte, program string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program + " is not installed")
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}

func TestKernelIsTakenOutOfItsImage(t *testing.T) {
	for name, payload := range map[string]func(t *testing.T) []byte{
		"gzip": func(t *testing.T) []byte { return gzipped(t, fakeKernel) },
		"xz":   func(t *testing.T) []byte { return packed(t, fakeKernel, "xz", "--check=crc32", "-c") },
		"zstd": func(t *testing.T) []byte { return packed(t, fakeKernel, "zstd", "-c") },
	} {
		t.Run(name, func(t *testing.T) {
			body := payload(t)
			for _, sects := range []byte{0, 1, 27} {
				got, err := vmlinux(bzImage(sects, body))
				if err != nil || !bytes.Equal(got, fakeKernel) {
					t.Errorf("%d setup sectors: %d bytes, %v; want the %d of the kernel", sects, len(got), err, len(fakeKernel))
				}
			}
		})
	}
}

func TestDamagedImagesAreRefused(t *testing.T) {
	good := bzImage(27, gzipped(t, fakeKernel))
	changed := func(change func(image []byte)) []byte {
		image := bytes.Clone(good)
		change(image)
		return image
	}
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":         {nil, "no setup header"},
		"no bzImage":    {changed(func(i []byte) { i[offMagic] = 'h' }), "no setup header"},
		"old protocol":  {changed(func(i []byte) { le.PutUint16(i[offVersion:], 0x0207) }), "boot protocol 0x207"},
		"cut":           {good[:len(good)-50], "damaged"},
		"huge payload":  {changed(func(i []byte) { le.PutUint32(i[offPayloadLength:], 0xffffffff) }), "damaged"},
		"no payload":    {changed(func(i []byte) { le.PutUint32(i[offPayloadLength:], 3) }), "damaged"},
		"wrong payload": {changed(func(i []byte) { le.PutUint32(i[offPayload:], 99) }), "unknown way"},
		"broken stream": {changed(func(i []byte) { i[28*sector+100+20] ^= 0xff }), "gzip"},
		"no ELF":        {bzImage(27, gzipped(t, []byte("a kernel of another kind"))), "no ELF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vmlinux(c.image)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func FuzzVmlinuxPayload(f *testing.F) {
	f.Add(bzImage(27, []byte("payload!")))
	f.Add(bzImage(0, nil))
	f.Fuzz(func(t *testing.T, image []byte) {
		if p, err := payload(image); err == nil && len(p) < 8 {
			t.Errorf("a payload of %d bytes was taken", len(p))
		}
	})
}
