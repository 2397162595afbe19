package daemon

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/config"
)

// pathsOf are the fields of a message, as config.Fields has those of a section.
func pathsOf(m protoreflect.MessageDescriptor, at string) (paths []string) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		path := strings.TrimPrefix(at+"."+string(f.Name()), ".")
		switch of := f.Message(); {
		case of == nil, of.FullName() == "google.protobuf.Struct", of.Name() == "StringList":
			paths = append(paths, path)
		case f.IsList():
			paths = append(paths, pathsOf(of, path+"[]")...)
		default:
			paths = append(paths, pathsOf(of, path)...)
		}
	}
	slices.Sort(paths)
	return paths
}

// TestTheMessagesHaveTheKeysOfTheConfiguration, all of them and no other.
func TestTheMessagesHaveTheKeysOfTheConfiguration(t *testing.T) {
	for of, m := range map[bool]protoreflect.ProtoMessage{false: new(vrfredistv1.VrfSpec), true: new(vrfredistv1.NeighborSpec)} {
		message, fields := pathsOf(m.ProtoReflect().Descriptor(), ""), config.Fields(of)
		slices.Sort(fields)
		for _, path := range fields {
			if !slices.Contains(message, path) {
				t.Errorf("%s is a key of the configuration, and no field of %T", path, m)
			}
		}
		for _, path := range message {
			if !slices.Contains(fields, path) {
				t.Errorf("%s is a field of %T, and no key of the configuration", path, m)
			}
		}
	}
}
