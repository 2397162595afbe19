package debian

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Cache is the folder of that name for what was fetched: .cache/NAME in the Go module
// that holds the working folder, or else in the one that holds this program, wherever a
// test's binary is called.
func Cache(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	for _, from := range []string{dir, self} {
		for at := from; ; at = filepath.Dir(at) {
			if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
				return filepath.Join(at, ".cache", name), nil
			}
			if strings.HasSuffix(at, "/") {
				break
			}
		}
	}
	return "", errors.New("neither the working folder nor this program is in a Go module: it has no .cache")
}
