package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// ledger is a backend that carries out what it is asked for, as config.Applying does, and writes down
// what was changed.
type ledger struct {
	*fake
	own     sync.Mutex
	made    map[string]map[string]any // what was applied, by VRF
	changed []change
}

// change is one thing that was changed: fields of a VRF, the VRF as a whole ("*"), what is done to it
// while it runs ("run"), or the daemon.
type change struct{ vrf, field string }

const daemonItself = "the daemon"

func newLedger() *ledger {
	l := &ledger{fake: newFake(), made: make(map[string]map[string]any)}
	l.vrfs = make(map[string]vrf.Status)
	l.idle = nil
	for _, name := range append([]string{vrf.Default}, roleFileVRFs...) {
		l.vrfs[name] = vrf.Status{Spec: vrf.Spec{Name: name}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}
	}
	l.reload = func() ([]string, error) { l.note(daemonItself, "reload"); return nil, nil }
	l.routes = func(_ context.Context, _ vrf.Direction, yield func(rib.RouteStatus) bool) error {
		yield(rib.RouteStatus{Prefix: netip.MustParsePrefix("10.0.0.0/8")})
		return nil
	}
	return l
}

func (l *ledger) note(vrf, field string) {
	l.own.Lock()
	defer l.own.Unlock()
	l.changed = append(l.changed, change{vrf, field})
}

func (l *ledger) Made(name string) bool {
	l.own.Lock()
	defer l.own.Unlock()
	return l.made[name] != nil && !slices.Contains(append(roleFileVRFs, vrf.Default), name)
}

func (l *ledger) Apply(_ context.Context, r vrf.ApplyRequest) (uint64, error) {
	if r.Key.Neighbor {
		l.note(r.Key.Name, "neighbour")
		return 1, nil
	}
	var section map[string]any
	if err := json.Unmarshal(r.Section, &section); err != nil {
		return 0, err
	}
	name := r.Key.Name
	if _, exists := l.Get(name); r.Alone && exists && !l.Made(name) {
		return 0, vrf.ErrBelow
	}
	l.own.Lock()
	was := maps.Clone(l.made[name])
	l.own.Unlock()
	fields := r.Fields
	if len(fields) == 0 {
		fields = slices.Sorted(maps.Keys(section))
	}
	for _, field := range fields {
		if r.May == nil || field == "name" {
			continue
		}
		if err := r.May(field, was[field], section[field]); err != nil {
			return 0, err
		}
	}
	l.own.Lock()
	if l.made[name] == nil {
		l.made[name] = make(map[string]any)
	}
	maps.Copy(l.made[name], section)
	l.own.Unlock()
	for _, field := range fields {
		l.note(name, field)
	}
	l.set(name, func(st *vrf.Status) { st.State = vrf.Ready })
	return 1, nil
}

func (l *ledger) Delete(_ context.Context, r vrf.DeleteRequest) (below bool, err error) {
	name := r.Key.Name
	l.own.Lock()
	was := maps.Clone(l.made[name])
	l.own.Unlock()
	if was == nil {
		return false, vrf.ErrNothingApplied
	}
	for _, field := range slices.Sorted(maps.Keys(was)) {
		if r.May == nil || field == "name" {
			continue
		}
		if err := r.May(field, was[field], nil); err != nil {
			return false, err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(was)) {
		l.note(name, field)
	}
	below = !l.Made(name)
	l.own.Lock()
	delete(l.made, name)
	l.own.Unlock()
	if !below {
		l.set(name, nil)
	}
	return below, nil
}

func (l *ledger) Applied() (list []vrf.Layer) {
	l.own.Lock()
	defer l.own.Unlock()
	for _, name := range slices.Sorted(maps.Keys(l.made)) {
		list = append(list, vrf.Layer{Key: vrf.LayerKey{Name: name}, VRF: name, Generation: 1})
	}
	return list
}

func (l *ledger) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	all := make(map[string][]vrf.Session)
	for _, st := range l.List() {
		all[st.Spec.Name], _ = l.Sessions(ctx, st.Spec.Name)
	}
	return all, nil
}

func (l *ledger) Leaks(string) []vrf.Leak { return nil }

func (l *ledger) Redistribute(ctx context.Context, name string, d vrf.Direction, f func(*vrf.Spec)) error {
	err := l.fake.Redistribute(ctx, name, d, f)
	if err == nil {
		l.note(name, "run")
	}
	return err
}

func (l *ledger) Resync(_ context.Context, name string) (vrf.Repair, error) {
	if _, is := l.Get(name); !is {
		return vrf.Repair{}, ErrUnknownVRF
	}
	l.note(name, "run")
	return vrf.Repair{}, nil
}

func (l *ledger) Confirm(ctx context.Context) error {
	l.note(daemonItself, "confirm")
	return l.fake.Confirm(ctx)
}

func (l *ledger) SetLogLevel(string, string) error { l.note(daemonItself, "log"); return nil }
