package main

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// tableChunk is how many rows are held to align them.
const tableChunk = 1000

// table prints rows in aligned columns as they come. It holds one chunk of them
// at most, so a million routes cost no memory; columns grow from chunk to chunk
// where they must, and never shrink.
type table struct {
	out    io.Writer
	w      *bufio.Writer
	right  []bool // columns that hold numbers
	state  int    // the column that holds states; -1: none does
	widths []int
	rows   [][]string
}

// newTable starts a table with a heading; one that ends in ">" stands over
// numbers.
func newTable(w io.Writer, heading ...string) *table {
	t := &table{out: w, w: bufio.NewWriter(w), right: make([]bool, len(heading)), widths: make([]int, len(heading))}
	for i := range heading {
		heading[i], t.right[i] = strings.CutSuffix(heading[i], ">")
	}
	t.state = slices.Index(heading, "STATE")
	t.rows = append(t.rows, heading)
	return t
}

// newPairs starts a table of keys and values, which has no heading.
func newPairs(w io.Writer) *table {
	return &table{out: w, w: bufio.NewWriter(w), right: make([]bool, 2), widths: make([]int, 2), state: -1}
}

// row adds a row. A row of "" but for some columns continues the one before.
func (t *table) row(cells ...string) error {
	t.rows = append(t.rows, cells)
	if len(t.rows) < tableChunk {
		return nil
	}
	return t.flush()
}

// flush prints what is held.
func (t *table) flush() error {
	for _, cells := range t.rows {
		for i, cell := range cells {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range t.rows {
		t.print(cells)
	}
	t.rows = t.rows[:0]
	return t.w.Flush()
}

func (t *table) print(cells []string) {
	var line strings.Builder
	last, indent := len(cells)-1, 0
	for i, cell := range cells[:last] {
		pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
		switch {
		case t.right[i]:
			line.WriteString(pad + cell)
		case i == t.state:
			line.WriteString(painted(t.out, cell) + pad)
		default:
			line.WriteString(cell + pad)
		}
		line.WriteString("  ")
		indent += t.widths[i] + 2
	}
	for i, part := range fold(cells[last], room(widthOf(t.out), indent)) {
		if i == 0 && (last == t.state || t.state < 0 && cells[0] == "State") {
			part = painted(t.out, part)
		}
		if i > 0 {
			line.WriteString("\n" + strings.Repeat(" ", indent))
		}
		line.WriteString(part)
	}
	// A bufio.Writer keeps its first error for Flush.
	_, _ = t.w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// cell gives an empty value a mark, so that a column is never taken for the
// next one.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
