package gobgp3

import "github.com/vrfredist/vrfredist/rib/speaker"

// refusals are the VRFs of whose paths a neighbour hears who gets several paths of a
// prefix (RFC 7911), by VRF: GoBGP tells him each path, with or without the flag.
func (r *reachability) refusals() map[string]string {
	refused := make(map[string]string)
	for addr, p := range r.peers() {
		unicast, vpn, vrf := p.getsAll()
		switch {
		case vrf != "":
			if unicast {
				for name := range r.importedBy(vrf) {
					refused[name] = addr
				}
			}
		default:
			if unicast {
				refused[speaker.Default] = addr
			}
			if vpn {
				for name := range r.rib().Vrfs {
					refused[name] = addr
				}
			}
		}
	}
	return refused
}

// importedBy are the VRFs whose routes lead into a VRF by their route targets.
func (r *reachability) importedBy(vrf string) map[string]bool {
	into := r.rib().Vrfs[vrf]
	if into == nil {
		return nil
	}
	wanted := targets(into.ImportRt) // where it is screened, of those that are passed on to its neighbours
	from := make(map[string]bool)
	for name, v := range r.rib().Vrfs {
		if meet(wanted, targets(v.ExportRt)) {
			from[name] = true
		}
	}
	return from
}
