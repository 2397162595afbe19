package docs_test

import (
	"regexp"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// What the page calls with grpcurl is what the methods take.
func TestExamplesOfGrpcurl(t *testing.T) {
	service := vrfredistv1.File_api_v1_vrfredist_proto.Services().ByName("Redistribution")
	var called []string
	for _, m := range regexp.MustCompile(`(?m)^grpcurl .*-d '(.*)' \S+ vrfredist\.v1\.Redistribution/(\w+)$`).FindAllStringSubmatch(page(t, "docs/API.md"), -1) {
		method := service.Methods().ByName(protoreflect.Name(m[2]))
		if method == nil {
			t.Errorf("there is no method %s", m[2])
			continue
		}
		if err := protojson.Unmarshal([]byte(m[1]), dynamicpb.NewMessage(method.Input())); err != nil {
			t.Errorf("%s does not take %s: %v", m[2], m[1], err)
		}
		called = append(called, m[2])
	}
	if want := []string{"ApplyVrf", "ApplyNeighbor", "ApplyVrf", "DeleteVrf"}; !slices.Equal(called, want) {
		t.Errorf("the page calls %v, want %v", called, want)
	}
}
