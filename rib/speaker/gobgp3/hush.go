package gobgp3

// hush keeps GoBGP from telling its neighbours of one change of a best path. GoBGP shows
// the change to the filters of its watchers, and goes on to its neighbours whatever they
// say. It leaves out a neighbour towards whom it restarts itself (RFC 4724, 4.1), though,
// so each neighbour with a session is marked so until the change is over. For a session
// that is up GoBGP reads the mark nowhere else. It is the loop's own.
type hush struct {
	*loop
	on    bool
	peers []livePeer // that were marked
}

func (h *hush) set(on bool) {
	if h.on == on {
		return
	}
	h.on = on
	if !on {
		for _, p := range h.peers {
			p.hear()
		}
		clear(h.peers)
		h.peers = h.peers[:0]
		return
	}
	for _, p := range h.loop.peers() {
		if p.deafen() {
			h.peers = append(h.peers, p)
		}
	}
}
