package config

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
)

// format is how a file is written.
type format uint8

const (
	formatTOML format = iota
	formatYAML
	formatJSON
)

// How the first line with something in it begins, where that tells the format.
var (
	yamlBegins = regexp.MustCompile(`^(---(\s|$)|%YAML|("[^"]*"|'[^']*'|[\w.-]+)\s*:(\s|$))`)
	tomlBegins = regexp.MustCompile(`^(\[\[?\s*["'\w.-]+.*\]|("[^"]*"|'[^']*'|[\w.-]+)\s*=)`)
)

// formatOf says how a file is written: its first line tells, whatever the file is called; what it
// leaves open the extension does, as gobgpd has it.
func formatOf(path string, data []byte) format {
	named := formatTOML
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		named = formatYAML
	case ".json":
		named = formatJSON
	}
	line := firstLine(data)
	switch {
	case yamlBegins.Match(line):
		return formatYAML
	case tomlBegins.Match(line):
		return formatTOML
	case bytes.HasPrefix(line, []byte("{")) && named == formatTOML: // YAML may begin so too
		return formatJSON
	}
	return named
}

// firstLine is the first line that is neither empty nor a comment.
func firstLine(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return line
		}
	}
	return nil
}

// readTree returns nil where the file does not have the syntax of its format.
func readTree(p *problems, path string, data []byte) *node {
	switch formatOf(path, data) {
	case formatYAML:
		return readYAML(p, data)
	case formatJSON:
		return readJSON(p, data)
	}
	return readTOML(p, data)
}
