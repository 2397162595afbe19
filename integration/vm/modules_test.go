package main

import (
	"slices"
	"strings"
	"testing"
)

// As depmod writes them.
const (
	modulesDep = `kernel/drivers/net/vrf.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/char/virtio_console.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/net/802/ip-tunnel.ko:
`
	modulesBuiltin = "kernel/fs/9p/9p.ko\nkernel/net/unix/unix-diag.ko\n"
)

func TestModulesComeAfterWhatTheyNeed(t *testing.T) {
	const v = "kernel/drivers/virtio/"
	for name, c := range map[string]struct{ names, want []string }{
		"none":             {nil, nil},
		"one":              {[]string{"vrf"}, []string{"kernel/drivers/net/vrf.ko"}},
		"built in":         {[]string{"9p", "unix_diag", "vrf"}, []string{"kernel/drivers/net/vrf.ko"}},
		"dash in the file": {[]string{"ip_tunnel"}, []string{"kernel/net/802/ip-tunnel.ko"}},
		"shared needs once": {[]string{"virtio_console", "virtio_pci"}, []string{
			v + "virtio.ko", v + "virtio_ring.ko", "kernel/drivers/char/virtio_console.ko", v + "virtio_pci_modern_dev.ko", v + "virtio_pci.ko",
		}},
		"named twice": {[]string{"virtio_console", "virtio_console"}, []string{
			v + "virtio.ko", v + "virtio_ring.ko", "kernel/drivers/char/virtio_console.ko",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := orderModules(modulesDep, modulesBuiltin, c.names)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestUnknownModuleIsNamed(t *testing.T) {
	_, err := orderModules(modulesDep, modulesBuiltin, []string{"vrf", "nonesuch"})
	if err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("got the error %v, want one that names the module", err)
	}
}
