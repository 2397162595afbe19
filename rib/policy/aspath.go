package policy

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/rib"
)

// ASPath is a regular expression on an AS path as it is printed: "65001 65002", a set as
// "{65003,65004}", a sequence of a confederation as "(64512 64513)", a set of one as
// "[64512,64513]".
type ASPath struct {
	text string
	re   *regexp.Regexp
	// The four common forms need no regular expression on a path that is one sequence: ^AS_,
	// _AS$, _AS_ and ^AS$.
	form asPathForm
	as   uint32
}

type asPathForm uint8

const (
	anyForm asPathForm = iota
	firstForm
	lastForm
	someForm
	onlyForm
	emptyForm // ^$
)

// underscore is what _ stands for: where an AS begins or ends. GoBGP and FRR have the same
// (ASPATH_REGEXP_MAGIC in v3.37.0, internal/pkg/table/policy.go).
const underscore = "(?:^|[,{}() ]|$)"

// ParseASPath reads a regular expression of Go's syntax (RE2), in which _ stands for the begin
// or the end of an AS.
func ParseASPath(s string) (ASPath, error) {
	const write = `write for example "^65001_" for paths from AS 65001, "_65001$" for its own routes, "^$" for those of this AS`
	if s == "" {
		return ASPath{}, fmt.Errorf("is empty, which every path matches; %s", write)
	}
	re, err := regexp.Compile(strings.ReplaceAll(s, "_", underscore))
	if err != nil {
		return ASPath{}, fmt.Errorf("%q is no regular expression (%w); %s", s, err, write)
	}
	a := ASPath{text: s, re: re}
	if s == "^$" {
		a.form = emptyForm
		return a, nil
	}
	digits := strings.Trim(s, "^_$")
	var is bool
	if a.as, is = asNumber(digits); !is {
		return a, nil
	}
	switch s {
	case "^" + digits + "_":
		a.form = firstForm
	case "_" + digits + "$":
		a.form = lastForm
	case "_" + digits + "_":
		a.form = someForm
	case "^" + digits + "$":
		a.form = onlyForm
	}
	return a, nil
}

// asNumber reads an AS, in the one way of writing it.
func asNumber(digits string) (as uint32, is bool) {
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && strconv.FormatUint(n, 10) == digits
}

// String is the expression as it was written.
func (a ASPath) String() string { return a.text }

// matches tells whether a path whose segments are one sequence does, as far as that is known
// without its text.
func (a *ASPath) matches(path []uint32) (is, known bool) {
	n := len(path)
	switch a.form {
	case emptyForm:
		return n == 0, true
	case firstForm:
		return n > 0 && path[0] == a.as, true
	case lastForm:
		return n > 0 && path[n-1] == a.as, true
	case onlyForm:
		return n == 1 && path[0] == a.as, true
	case someForm:
		for _, as := range path {
			if as == a.as {
				return true, true
			}
		}
		return false, true
	}
	return false, false
}

// asPathMemory knows the last attributes of which the AS path matched, and the last of which it
// did not: the paths of one UPDATE follow each other, and a regular expression costs more than
// all the rest of a decision. A nil one knows none. It may be used from any goroutine.
type asPathMemory struct{ is, isNot atomic.Pointer[rib.Attrs] }

func (m *asPathMemory) match(list []ASPath, attrs *rib.Attrs) bool {
	switch {
	case m == nil:
		return matchASPath(list, attrs)
	case m.is.Load() == attrs:
		return true
	case m.isNot.Load() == attrs:
		return false
	}
	if matchASPath(list, attrs) {
		m.is.Store(attrs)
		return true
	}
	m.isNot.Store(attrs)
	return false
}

// pathTexts are buffers for the text of AS paths.
var pathTexts = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// matchASPath tells whether any of the expressions matches the AS path.
func matchASPath(list []ASPath, attrs *rib.Attrs) bool {
	plain := attrs.Rare == nil || len(attrs.Rare.Segments) == 0
	var text *bytes.Buffer
	defer func() {
		if text != nil {
			pathTexts.Put(text)
		}
	}()
	for i := range list {
		a := &list[i]
		if plain {
			if is, known := a.matches(attrs.ASPath); is {
				return true
			} else if known {
				continue
			}
		}
		if text == nil {
			text = pathTexts.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is put there
			writeASPath(text, attrs)
		}
		if a.re.Match(text.Bytes()) {
			return true
		}
	}
	return false
}

// writeASPath writes the text of an AS path over b.
func writeASPath(b *bytes.Buffer, attrs *rib.Attrs) {
	b.Reset()
	attrs.Segments(func(s rib.ASSegment) bool {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		begin, between, end := "", byte(' '), ""
		switch s.Kind {
		case rib.ASSet:
			begin, between, end = "{", ',', "}"
		case rib.ConfedSequence:
			begin, between, end = "(", ' ', ")"
		case rib.ConfedSet:
			begin, between, end = "[", ',', "]"
		}
		b.WriteString(begin)
		for i, as := range s.ASes {
			if i > 0 {
				b.WriteByte(between)
			}
			b.Write(strconv.AppendUint(b.AvailableBuffer(), uint64(as), 10))
		}
		b.WriteString(end)
		return true
	})
}

// originAS is the AS that originated the route: the last one, where that is certain. Of a path
// that ends in a set nobody knows (RFC 6811, 2).
func originAS(attrs *rib.Attrs) (as uint32, known bool) {
	attrs.Segments(func(s rib.ASSegment) bool {
		if known = s.Kind == rib.ASSequence && len(s.ASes) > 0; known {
			as = s.ASes[len(s.ASes)-1]
		}
		return true
	})
	return as, known
}
