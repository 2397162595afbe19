package conf

import (
	"fmt"
	"strconv"
)

// section is a section of the file and the path to it.
type section struct {
	path  string
	value map[string]any
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// at returns the section below s, empty where there is none.
func (s section) at(keys ...string) section {
	for _, k := range keys {
		v, _ := s.value[k].(map[string]any)
		s = section{join(s.path, k), v}
	}
	return s
}

// each returns the sections of a list.
func (s section) each(key string) []section {
	list, _ := s.value[key].([]any)
	out := make([]section, 0, len(list))
	for i, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, section{fmt.Sprintf("%s[%d]", join(s.path, key), i), m})
	}
	return out
}

func (s section) key(key string) string { return join(s.path, key) }

func (s section) has(key string) bool { return s.value[key] != nil }

func (s section) text(key string) string {
	t, _ := s.value[key].(string)
	return t
}

func (s section) number(key string) float64 {
	switch v := s.value[key].(type) {
	case float64:
		return v
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err == nil {
			return n
		}
	}
	return 0
}

func (s section) texts(key string) []string {
	switch v := s.value[key].(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			t, _ := e.(string)
			out = append(out, t)
		}
		return out
	}
	return nil
}
