package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// Error is a fault of a configuration file, with its line and a remedy.
type Error struct {
	File    string
	Line    int    // from 1; 0 where no line of the file says it
	Key     string // as the file spells it: netlink.vrfs[0].table; "" where no key is to blame
	Message string
	// Layer is whose it is where what was applied over the API is to blame. Key is a field then.
	Layer *vrf.LayerKey
	// Hint says of a note that something is easily overlooked, and not what a key means.
	Hint bool
}

func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	s += ": "
	if e.Layer != nil {
		s += "what was applied over the API to " + e.Layer.String() + ": "
	}
	if e.Key != "" {
		s += e.Key + ": "
	}
	return s + e.Message
}

// Errors are all faults of a file, ordered by line. It prints one
// error a line.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// As lets errors.As find the list by value too; Load and Parse return it by
// pointer.
func (e *Errors) As(target any) bool {
	list, ok := target.(*Errors)
	if ok {
		*list = *e
	}
	return ok
}

// inTemplates is where the paths of templates begin.
const inTemplates = "netlink.templates"

// problems collects faults and notes while a file is read.
type problems struct {
	file  string
	list  Errors
	notes Errors
	// changed are notes of differences from an earlier version.
	changed Errors
	// whose says whose a fault is where layers are laid over the file; nil: all are the file's.
	whose func(Error) Error
}

func (p *problems) add(line int, key, format string, args ...any) {
	p.list = append(p.list, Error{File: p.file, Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// at blames one key of the file.
func (p *problems) at(n *node, format string, args ...any) {
	p.add(n.line, n.path, format, args...)
}

// note says of a key without a fault what it means here.
func (p *problems) note(n *node, format string, args ...any) {
	p.notes = append(p.notes, Error{File: p.file, Line: n.line, Key: n.path, Message: fmt.Sprintf(format, args...)})
}

// hint notes of a key what is easily overlooked; key is one below it that is missing, or "".
func (p *problems) hint(n *node, key, format string, args ...any) {
	path := n.path
	if key != "" {
		path = join(path, key)
	}
	p.notes = append(p.notes, Error{File: p.file, Line: n.line, Key: path, Message: fmt.Sprintf(format, args...), Hint: true})
}

// noteChange notes a difference from an earlier version.
func (p *problems) noteChange(n *node, format string, args ...any) {
	p.changed = append(p.changed, Error{File: p.file, Line: n.line, Key: n.path, Message: fmt.Sprintf(format, args...)})
}

// blamed tells whether something on a line is wrong already.
func (p *problems) blamed(line int) bool {
	return slices.ContainsFunc(p.list, func(e Error) bool { return e.Line == line })
}

// err returns nil where nothing was wrong.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	p.list = slices.CompactFunc(p.sorted(p.list), func(a, b Error) bool {
		return a == b || strings.HasPrefix(a.Key, inTemplates) && a.Line == b.Line && a.Key == b.Key // each tenant says it
	})
	return &p.list
}

// sorted orders what was found by line, what layers say last.
func (p *problems) sorted(list Errors) Errors {
	for i, e := range list {
		if p.whose != nil {
			list[i] = p.whose(e)
		}
	}
	slices.SortStableFunc(list, func(a, b Error) int {
		if (a.Layer == nil) != (b.Layer == nil) {
			if b.Layer != nil {
				return -1
			}
			return 1
		}
		return a.Line - b.Line
	})
	return list
}
