package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// idModel says by itself which ids may be given.
type idModel struct {
	held  map[string]uint32    // by name
	last  map[uint32]string    // who had an id the last time
	until map[uint32]time.Time // when an id that was let go may be another's
}

// step compares what a configuration has with what may be.
func (m *idModel) step(t *testing.T, h *host, present []string) {
	t.Helper()
	got, used := make(map[string]uint32), make(map[uint32]string)
	var waits []string
	for _, x := range h.config.Tenants() {
		if x.ID == 0 {
			waits = append(waits, x.Name)
			continue
		}
		if other := used[x.ID]; other != "" {
			t.Fatalf("%s and %s have id %d", other, x.Name, x.ID)
		}
		got[x.Name], used[x.ID] = x.ID, x.Name
	}
	if len(got)+len(waits) != len(present) {
		t.Fatalf("%d of %d tenants are known", len(got)+len(waits), len(present))
	}
	for name, id := range m.held {
		if now, stays := got[name]; stays && now != id {
			t.Fatalf("%s had %d and has %d, and was there all the while", name, id, now)
		} else if !stays {
			m.last[id], m.until[id] = name, h.now.Add(10*time.Minute)
		}
	}
	for name, id := range got {
		if m.held[name] == id {
			continue
		}
		if owner := m.last[id]; owner != "" && owner != name && h.now.Before(m.until[id]) {
			t.Fatalf("%s got %d, which rests for %s until %v, at %v", name, id, owner, m.until[id], h.now)
		}
		for other, owner := range m.last {
			if owner == name && other != id && used[other] == "" && other < 1040 {
				t.Fatalf("%s got %d, and had %d before, which is free", name, id, other)
			}
		}
		m.last[id] = name
	}
	for id := uint32(1000); id < 1040 && len(waits) > 0; id++ {
		if used[id] == "" && !h.now.Before(m.until[id]) {
			t.Fatalf("%v wait, and %d is free", waits, id)
		}
	}
	m.held = got
}

// TestIDsByAModel: tenants come and go in random order, with restarts in between, and ids are given as a
// model says.
func TestIDsByAModel(t *testing.T) {
	h := newHost(t)
	text := strings.Replace(tenantTemplate, "1000-1002", "1000-1039", 1)
	random := rand.New(rand.NewPCG(1, 2))
	m := &idModel{held: map[string]uint32{}, last: map[uint32]string{}, until: map[uint32]time.Time{}}
	there := make(map[string]bool)
	waited := 0
	for range 150 {
		for range random.IntN(12) {
			name := fmt.Sprintf("tenant-%d", random.IntN(60))
			there[name] = !there[name]
		}
		h.now = h.now.Add(time.Duration(random.IntN(240)) * time.Second)
		var present []string
		for name, is := range there {
			if is {
				present = append(present, name)
			}
		}
		h.becomes(text, seen(present...)...)
		m.step(t, h, present)
		waited += len(present) - len(m.held)
		if random.IntN(10) == 0 {
			again, err := OpenTenantIDs(h.ids.dir)
			if err != nil {
				t.Fatal(err)
			}
			h.ids, h.starts = again, true
		} else {
			h.starts = false
		}
	}
	if waited == 0 {
		t.Error("no tenant ever waited, so that little was tried")
	}
}
