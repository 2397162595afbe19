package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is a fault of a configuration file, with its line and a remedy.
type Error struct {
	File    string
	Line    int    // from 1; 0 where no line of the file says it
	Key     string // as the file spells it: netlink.vrfs[0].table; "" where no key is to blame
	Message string
}

func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	s += ": "
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

// problems collects faults and notes while a file is read.
type problems struct {
	file  string
	list  Errors
	notes Errors
	// changed are notes of differences from an earlier version.
	changed Errors
}

func (p *problems) add(line int, key, format string, args ...any) {
	p.list = append(p.list, Error{p.file, line, key, fmt.Sprintf(format, args...)})
}

// at blames one key of the file.
func (p *problems) at(n *node, format string, args ...any) {
	p.add(n.line, n.path, format, args...)
}

// note says of a key without a fault what it means here.
func (p *problems) note(n *node, format string, args ...any) {
	p.notes = append(p.notes, Error{p.file, n.line, n.path, fmt.Sprintf(format, args...)})
}

// noteChange notes a difference from an earlier version.
func (p *problems) noteChange(n *node, format string, args ...any) {
	p.changed = append(p.changed, Error{p.file, n.line, n.path, fmt.Sprintf(format, args...)})
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
	slices.SortStableFunc(p.list, func(a, b Error) int { return a.Line - b.Line })
	return &p.list
}
