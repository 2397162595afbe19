package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"
)

// kubernetes checks every object of a file.
func kubernetes(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var errs []error
	objects := 0
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var object map[string]any
		if err := dec.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		objects++
		if err := oneObject(object); err != nil {
			errs = append(errs, fmt.Errorf("%v %v: %w", object["kind"], object["apiVersion"], err))
		}
	}
	if objects == 0 {
		return errors.New("it has no object")
	}
	return errors.Join(errs...)
}

func oneObject(object map[string]any) error {
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	file := "apis__" + strings.ReplaceAll(version, "/", "__") + "_openapi.json"
	if !strings.Contains(version, "/") {
		file = "api__" + version + "_openapi.json"
	}
	dir, err := pinnedFolder("k8s.io/client-go", "openapi/openapitest/testdata")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return fmt.Errorf("the API has no group and version %q here: %w", version, err)
	}
	schema, err := schemaOf(text, version, kind)
	if err != nil {
		return err
	}
	// As JSON has it: YAML's integers are another type than its.
	asJSON, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(asJSON, &v); err != nil {
		return err
	}
	err = schema.Validate(v)
	if invalid := new(jsonschema.ValidationError); errors.As(err, &invalid) {
		return errors.Join(faults(invalid)...)
	}
	return err
}

// faults are what is wrong in itself, and not because of what is inside of it.
func faults(e *jsonschema.ValidationError) (all []error) {
	for _, inner := range e.Causes {
		all = append(all, faults(inner)...)
	}
	if len(all) == 0 {
		all = append(all, fmt.Errorf("%s: %s", e.InstanceLocation, e.Message))
	}
	return all
}

// schemaOf is the schema of one kind of object, out of what the API server says of itself.
func schemaOf(openapi []byte, version, kind string) (*jsonschema.Schema, error) {
	var document struct {
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openapi, &document); err != nil {
		return nil, err
	}
	name := ""
	for _, key := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		schema := document.Components.Schemas[key]
		strict(schema)
		for _, meant := range list(schema["x-kubernetes-group-version-kind"]) {
			gvk, _ := meant.(map[string]any)
			whole := fmt.Sprint(gvk["version"])
			if group := fmt.Sprint(gvk["group"]); group != "" {
				whole = group + "/" + whole
			}
			if whole == version && gvk["kind"] == kind {
				name = key
			}
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%s has no kind %q", version, kind)
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	const url = "openapi.json"
	if err := compiler.AddResource(url, bytes.NewReader(text)); err != nil {
		return nil, err
	}
	return compiler.Compile(url + "#/components/schemas/" + name)
}

// strict makes fields that the API does not know an error, as its server does where it is asked to:
// else it drops them in silence.
func strict(schema map[string]any) {
	if schema == nil {
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	if _, open := schema["additionalProperties"]; len(properties) > 0 && !open {
		schema["additionalProperties"] = false
	}
	for _, p := range properties {
		inner, _ := p.(map[string]any)
		strict(inner)
	}
	for _, key := range []string{"items", "additionalProperties"} {
		inner, _ := schema[key].(map[string]any)
		strict(inner)
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// pinnedFolder is a folder of a module that go.mod pins.
func pinnedFolder(module, folder string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, err)
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", err
	}
	return filepath.Join(m.Dir, folder), nil
}
