package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// given is the arguments of a step, or a message. A step whose argument is one word has it under the empty name.
type given map[string]any

// UnmarshalYAML reads a mapping or one word.
func (g *given) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*g = given{"": node.Value}
		return nil
	}
	return node.Decode((*map[string]any)(g))
}

func (g given) has(name string) bool { return g[name] != nil }

func (g given) text(name string) string {
	text, _ := g[name].(string)
	return text
}

func (g given) flag(name string) bool {
	flag, _ := g[name].(bool)
	return flag
}

// number is one that is given, or 0.
func (g given) number(name string) int {
	number, _ := g[name].(int)
	return number
}

func (g given) sub(name string) given {
	switch sub := g[name].(type) {
	case map[string]any:
		return sub
	case given:
		return sub
	default:
		return nil
	}
}

func (g given) list(name string) []given {
	items, _ := g[name].([]any)
	list := make([]given, len(items))
	for i, item := range items {
		switch item := item.(type) {
		case map[string]any:
			list[i] = item
		case given:
			list[i] = item
		}
	}
	return list
}

func (g given) texts(name string) []string {
	items, _ := g[name].([]any)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = fmt.Sprint(item)
	}
	return texts
}
