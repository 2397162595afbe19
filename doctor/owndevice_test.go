package doctor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// making is a healthy host of which VRF red has the device that the daemon makes, with its interface.
func making() Facts {
	f := healthy()
	f.Specs[1].Makes = rib.OwnDevice{Table: 1010, Interfaces: []string{"eth1.7"}}
	f.link(3, func(k *rib.Link) { k.Alias = "vrfredist-device:red" })
	return f
}

func TestMadeDevices(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Facts)
		want   []string
	}{
		{"healthy", func(*Facts) {}, nil},
		{"its ends, which the daemon makes", func(f *Facts) { clear(f.Spaces[""].Guarded) }, nil},
		{"those of another program's", func(f *Facts) {
			clear(f.Spaces[""].Guarded)
			f.link(3, func(k *rib.Link) { k.Alias = "" })
		}, []string{"risk vrf-default red: ip route add table 1010 unreachable default metric 4278198272 && ip -6 route add table 1010 unreachable default metric 4278198272"}},
		{"not there", func(f *Facts) { delete(f.Spaces[""].Links, 3); delete(f.Spaces[""].Links, 4) }, []string{"risk device red"}},
		{"not yet", func(f *Facts) {
			delete(f.Spaces[""].Links, 3)
			delete(f.Spaces[""].Links, 4)
			f.Running = false
		}, []string{"advice device red"}},
		{"another table", func(f *Facts) { f.link(3, func(k *rib.Link) { k.Alias = "" }); f.Specs[1].Makes.Table = 7 }, []string{"broken device red: ip link del red"}},
		{"another's, down", func(f *Facts) { f.link(3, func(k *rib.Link) { k.Alias, k.Admin = "", false }) }, []string{"broken device red: ip link set red up"}},
		{"no VRF device", func(f *Facts) {
			f.link(3, func(k *rib.Link) { k.Alias, k.VRFTable = "", 0 })
			f.link(4, func(k *rib.Link) { k.Master = 0 })
		}, []string{"broken device red"}},
		{"an interface outside", func(f *Facts) { f.Specs[1].Makes.Interfaces = []string{"eth1.7", "eth0"} }, []string{"risk device red: ip link set eth0 master red"}},
		{"an interface to come", func(f *Facts) { f.Specs[1].Makes.Interfaces = []string{"eth1.7", "eth9"} }, []string{"advice device red"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := making()
			tt.change(&f)
			var got []string
			for _, find := range Judge(f) {
				if find.Check != "device" && find.Check != "vrf-default" {
					continue
				}
				line := strings.Join([]string{find.Level.String(), find.Check, find.Subject}, " ")
				if find.Mend != "" {
					line += ": " + find.Mend
				}
				got = append(got, line)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}
