package status

import (
	"net/http"
	"time"
)

const (
	backlog   = 8 // events that a client may be behind
	writeTime = 5 * time.Second
	pingEvery = 15 * time.Second
)

// client is one event stream. Its events are closed by Run, when it is dropped,
// refused, or the page ends.
type client struct{ events chan []byte }

// stream serves server-sent events: a snapshot, and then its changes.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	c := &client{make(chan []byte, backlog)}
	select {
	case p.joins <- c:
	case <-p.done:
		http.Error(w, "vrfredist is ending", http.StatusServiceUnavailable)
		return
	case <-r.Context().Done():
		return
	}
	first, ok := <-c.events
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many look at the status page; close one of them", http.StatusServiceUnavailable)
		return
	}
	defer p.leave(c)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	// The server's time limit is for answers that end; here each write has one.
	write := func(text []byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return control.Flush()
	}
	if write([]byte("retry: 2000\n\n")) != nil || write(first) != nil {
		return
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var text []byte
		select {
		case <-r.Context().Done():
			return
		case <-ping.C:
			text = []byte(": still here\n\n")
		case text, ok = <-c.events:
			if !ok {
				return
			}
		}
		if write(text) != nil {
			return // it does not read, or is gone
		}
	}
}

// leave tells Run that a client is gone.
func (p *Page) leave(c *client) {
	select {
	case p.leaves <- c:
	case <-p.done:
	}
}
