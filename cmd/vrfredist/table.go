package main

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// pageWidth is where the last column of a table is folded.
const pageWidth = 120

// tableChunk is how many rows are held to align them.
const tableChunk = 1000

// table prints rows in aligned columns as they come. It holds one chunk of them
// at most, so a million routes cost no memory; columns grow from chunk to chunk
// where they must, and never shrink.
type table struct {
	w      *bufio.Writer
	right  []bool // columns that hold numbers
	widths []int
	rows   [][]string
}

// newTable starts a table with a heading; one that ends in ">" stands over
// numbers.
func newTable(w io.Writer, heading ...string) *table {
	t := &table{w: bufio.NewWriter(w), right: make([]bool, len(heading)), widths: make([]int, len(heading))}
	for i := range heading {
		heading[i], t.right[i] = strings.CutSuffix(heading[i], ">")
	}
	t.rows = append(t.rows, heading)
	return t
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
	last := len(cells) - 1
	for i, cell := range cells[:last] {
		pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
		if t.right[i] {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
		line.WriteString("  ")
	}
	indent := utf8.RuneCountInString(line.String())
	for i, part := range fold(cells[last], pageWidth-indent) {
		if i > 0 {
			line.WriteString("\n" + strings.Repeat(" ", indent))
		}
		line.WriteString(part)
	}
	// A bufio.Writer keeps its first error for Flush.
	_, _ = t.w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// fold breaks text at blanks into lines of at most width, but never of less
// than 30: better a long line than a column of words.
func fold(text string, width int) []string {
	width = max(width, 30)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// cell gives an empty value a mark, so that a column is never taken for the
// next one.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
