package metrics

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// text is all series as Prometheus and OpenMetrics read them, family by family. Prometheus's library
// makes messages of each series first, sorts and hashes them, which with thousands of VRFs takes
// seconds: https://prometheus.io/docs/instrumenting/exposition_formats/,
// https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
type text struct {
	open  bool              // it is OpenMetrics
	lines map[string][]byte // by family

	// The labels that series have which come one after the other, as they are written.
	vrf, netns               string
	vrfEscaped, netnsEscaped string
}

// newText returns a text in which no family has series yet. before has how long the families were
// the last time, which they will be nearly again.
func newText(open bool, before map[string]int) *text {
	t := &text{open: open, lines: make(map[string][]byte)}
	for name, n := range before {
		t.lines[name] = make([]byte, 0, n+n/16)
	}
	return t
}

// lengths are how long the families are.
func (t *text) lengths() map[string]int {
	n := make(map[string]int, len(t.lines))
	for name, lines := range t.lines {
		n[name] = len(lines)
	}
	return n
}

func (t *text) value(f *family, _ prometheus.ValueType, value float64, vrf, netns string, own values) {
	b := append(t.lines[f.name], f.name...)
	b = t.labels(b, f, vrf, netns, &own, nil)
	t.lines[f.name] = append(t.number(append(b, ' '), value), '\n')
}

func (t *text) histogram(f *family, h *histogram, vrf, netns string, own values) {
	b := t.lines[f.name]
	shown := !t.open || !h.hasExemplar
	for i := range len(h.bounds) + 1 {
		bound, below := math.Inf(1), h.all
		if i < len(h.bounds) {
			bound, below = h.bounds[i], h.below[i]
		}
		b = append(append(b, f.name...), "_bucket"...)
		b = t.labels(b, f, vrf, netns, &own, &bound)
		b = strconv.AppendUint(append(b, ' '), below, 10)
		if !shown && h.exemplar.Took.Seconds() <= bound {
			shown = true
			b = append(append(append(b, " # {"+traceID+`="`...), escaped(h.exemplar.Trace)...), `"} `...)
			b = t.number(b, h.exemplar.Took.Seconds())
			b = t.number(append(b, ' '), float64(h.exemplar.At.UnixNano())/1e9)
		}
		b = append(b, '\n')
	}
	b = t.labels(append(append(b, f.name...), "_sum"...), f, vrf, netns, &own, nil)
	b = t.number(append(b, ' '), h.sum)
	b = t.labels(append(append(append(b, '\n'), f.name...), "_count"...), f, vrf, netns, &own, nil)
	b = append(strconv.AppendUint(append(b, ' '), h.all, 10), '\n')
	t.lines[f.name] = b
}

// labels appends the labels of a series, sorted by their names; that of a bucket is the last.
func (t *text) labels(b []byte, f *family, vrf, netns string, own *values, bound *float64) []byte {
	if len(f.sorted) == 0 {
		return b
	}
	if vrf != t.vrf {
		t.vrf, t.vrfEscaped = vrf, escaped(vrf)
	}
	if netns != t.netns {
		t.netns, t.netnsEscaped = netns, escaped(netns)
	}
	between := byte('{')
	for _, l := range f.sorted {
		b = append(append(append(b, between), l.name...), '=', '"')
		switch l.which {
		case ofVRF:
			b = append(b, t.vrfEscaped...)
		case ofNetns:
			b = append(b, t.netnsEscaped...)
		default:
			b = append(b, escaped(own[l.which])...)
		}
		b, between = append(b, '"'), ','
	}
	if bound != nil {
		b = append(append(t.number(append(b, `,le="`...), *bound), '"'), '}')
		return b
	}
	return append(b, '}')
}

// number appends a number. OpenMetrics, as Prometheus's library writes it, has a fraction in each.
func (t *text) number(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if t.open && !slices.ContainsFunc(b[from:], func(c byte) bool { return c == '.' || c == 'e' || c == 'N' }) {
		b = append(b, ".0"...)
	}
	return b
}

var escapes = strings.NewReplacer("\\", `\\`, "\n", `\n`, `"`, `\"`)

// escaped is the value of a label.
func escaped(value string) string {
	if !strings.ContainsAny(value, "\\\n\"") {
		return value
	}
	return escapes.Replace(value)
}

// write writes the families that have series.
func (t *text) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, f := range families() {
		lines := t.lines[f.name]
		if len(lines) == 0 {
			continue
		}
		name := f.name
		if t.open && f.kind == "counter" {
			name = strings.TrimSuffix(name, "_total")
		}
		for _, part := range []string{"# HELP ", name, " ", f.help, "\n# TYPE ", name, " ", f.kind, "\n"} {
			if _, err := out.WriteString(part); err != nil {
				return err
			}
		}
		if _, err := out.Write(lines); err != nil {
			return err
		}
	}
	return out.Flush()
}
