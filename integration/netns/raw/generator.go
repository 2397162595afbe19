package raw

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Generator makes messages: good ones, ones with something wrong in them, and rubbish.
// A seed makes the same ones every time.
type Generator struct {
	rng   *rand.Rand
	good  [][]byte // messages to start from
	spare [][]byte // attributes to put in
}

// Generator is one for the messages of this speaker.
func (s Speaker) Generator(seed uint64) *Generator {
	g := &Generator{rng: rand.New(rand.NewPCG(seed, 1))}
	for _, c := range s.Cases() {
		if c.Ends == "" && len(c.Messages) < 60 { // floods add nothing
			g.good = append(g.good, c.Messages...)
		}
	}
	for i := range 20 {
		g.good = append(g.good, s.Announce(fmt.Sprintf("30.2.%d.0/24", i)), s.Announce(fmt.Sprintf("2001:db8:30%d::/48", i)),
			s.Withdraw(fmt.Sprintf("30.2.%d.0/24", i)), s.Withdraw(fmt.Sprintf("2001:db8:30%d::/48", i)))
	}
	for range 10 {
		g.good = append(g.good, others(s)...)
	}
	for _, m := range g.good {
		g.spare = append(g.spare, attributesOf(m)...)
	}
	return g
}

// attributesOf are those of an UPDATE, as far as they can be told apart.
func attributesOf(m []byte) (list [][]byte) {
	if m[18] != TypeUpdate || len(m) < headerSize+4 {
		return nil
	}
	b := m[headerSize:]
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 4+n {
		return nil
	}
	b = b[2+n:]
	b = b[2:min(len(b), 2+int(binary.BigEndian.Uint16(b)))]
	for len(b) >= 3 {
		size := 3 + int(b[2])
		if b[0]&0x10 != 0 && len(b) >= 4 {
			size = 4 + int(binary.BigEndian.Uint16(b[2:]))
		}
		if size > len(b) {
			break
		}
		list = append(list, b[:size])
		b = b[size:]
	}
	return list
}

// Next is the next message.
func (g *Generator) Next() []byte {
	m := slices.Clone(g.good[g.rng.IntN(len(g.good))])
	switch n := g.rng.IntN(300); {
	case n < 60: // as it is
	case n < 220:
		m = g.shuffled(m)
		if n < 100 {
			m = g.bitten(m)
		}
	case n < 280:
		m = g.bitten(m)
	case n < 299:
		m = g.cut(m)
	default: // what ends the session more often than not
		at := g.rng.IntN(headerSize)
		m[at] ^= 1 << g.rng.IntN(8)
	}
	return m
}

// shuffled is an UPDATE with attributes taken out, put in, and in another order.
func (g *Generator) shuffled(m []byte) []byte {
	attrs := attributesOf(m)
	if len(attrs) == 0 {
		return m
	}
	b := m[headerSize:]
	withdrawn := b[2 : 2+binary.BigEndian.Uint16(b)]
	b = b[2+len(withdrawn):]
	nlri := b[2+int(binary.BigEndian.Uint16(b)):]
	for range 1 + g.rng.IntN(3) {
		switch g.rng.IntN(3) {
		case 0:
			attrs = slices.Insert(attrs, g.rng.IntN(len(attrs)+1), g.spare[g.rng.IntN(len(g.spare))])
		case 1:
			i, j := g.rng.IntN(len(attrs)), g.rng.IntN(len(attrs))
			attrs[i], attrs[j] = attrs[j], attrs[i]
		case 2:
			if i := g.rng.IntN(len(attrs)); len(attrs) > 1 {
				attrs = slices.Delete(attrs, i, i+1)
			}
		}
	}
	all := slices.Concat(attrs...)
	if headerSize+4+len(withdrawn)+len(all)+len(nlri) > 4096 {
		return m
	}
	return Update(withdrawn, all, nlri)
}

// bitten is a message with some bytes of its body changed.
func (g *Generator) bitten(m []byte) []byte {
	if len(m) == headerSize {
		return m
	}
	for range 1 + g.rng.IntN(4) {
		at := headerSize + g.rng.IntN(len(m)-headerSize)
		switch g.rng.IntN(4) {
		case 0:
			m[at] = byte(g.rng.IntN(256))
		case 1:
			m[at] ^= 1 << g.rng.IntN(8)
		case 2:
			m[at] += byte(g.rng.IntN(5)) - 2
		case 3:
			m[at] = []byte{0, 1, 0x7f, 0x80, 0xff}[g.rng.IntN(5)]
		}
	}
	return m
}

// cut is a message with bytes taken out or put in, of the length that its header says.
func (g *Generator) cut(m []byte) []byte {
	at := headerSize + g.rng.IntN(len(m)-headerSize+1)
	if n := g.rng.IntN(9); g.rng.IntN(2) == 0 {
		m = slices.Delete(m, at, min(len(m), at+n))
	} else if len(m)+n <= 4096 {
		m = slices.Insert(m, at, slices.Repeat([]byte{byte(g.rng.IntN(256))}, n)...)
	}
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	return m
}
