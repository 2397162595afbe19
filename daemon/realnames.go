package daemon

import (
	"context"
	"log/slog"
	"net/netip"
)

// realNames is a log in which a neighbour in a namespace has its own address, wherever BGP names it
// by its alias: the alias is beside it, and the namespace.
type realNames struct {
	slog.Handler
	neighbors *neighbors
}

// nameKeys are the keys of attributes that name a neighbour: ours, and GoBGP's.
var nameKeys = map[string]bool{"neighbor": true, "neighbour": true, "Key": true}

// Handle implements slog.Handler.
func (h realNames) Handle(ctx context.Context, r slog.Record) error {
	aliased := false
	r.Attrs(func(a slog.Attr) bool {
		_, aliased = h.behind(a)
		return !aliased
	})
	if !aliased {
		return h.Handler.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.named(a)...)
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h realNames) WithAttrs(attrs []slog.Attr) slog.Handler {
	var out []slog.Attr
	for _, a := range attrs {
		out = append(out, h.named(a)...)
	}
	return realNames{h.Handler.WithAttrs(out), h.neighbors}
}

// WithGroup implements slog.Handler.
func (h realNames) WithGroup(name string) slog.Handler {
	return realNames{h.Handler.WithGroup(name), h.neighbors}
}

// behind tells whether an attribute names a neighbour by its alias, and how it is called.
func (h realNames) behind(a slog.Attr) (real []slog.Attr, is bool) {
	if !nameKeys[a.Key] {
		return nil, false
	}
	v := a.Value.Resolve()
	alias, err := netip.ParseAddr(v.String())
	if err != nil {
		return nil, false
	}
	n, is := h.neighbors.behind(alias)
	if !is {
		return nil, false
	}
	return []slog.Attr{slog.String(a.Key, n.Peer.String()), slog.String("netns", n.Netns), slog.String("alias", alias.String())}, true
}

func (h realNames) named(a slog.Attr) []slog.Attr {
	if real, is := h.behind(a); is {
		return real
	}
	return []slog.Attr{a}
}
