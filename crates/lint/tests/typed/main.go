// Typed prints what go/types knows of the expressions of packages of the Go tree, for a comparison with another checker.
//
// Arguments are import paths; "all" stands for all packages of the tree, or of $TYPED_GOPATH where that is set. What is missing
// or wrong there is left out. Files are chosen as on linux/amd64 without cgo. The
// output has lines of fields separated by tabs. First all packages that are needed:
//
//	P path             a package
//	F file             a file of it
//	I written path     what an import path in it means, where that is another
//
// and then, for every package that was asked for:
//
//	X path             a package
//	Y text             the next text of this package, counted from 0
//	c file start end y the type of the function of a call
//	s file start end y the type of a selector
//	e file start end y the type of any other expression that has a value
//	t file start end y the type that an expression writes
//	k file start end y the value of a constant expression
//	u file start end y where the object was declared that a name stands for
//
// Files are numbered from 0 in the order above; start and end are offsets.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type pkg struct {
	path  string
	files []string
	// Import paths as written to what they mean.
	imports map[string]string
	types   *types.Package
	info    *types.Info
	syntax  []*ast.File
}

type loader struct {
	context build.Context
	fset    *token.FileSet
	pkgs    map[string]*pkg
	order   []*pkg
	wanted  map[string]bool
	out     *bufio.Writer
}

func main() {
	l := &loader{
		context: build.Default,
		fset:    token.NewFileSet(),
		pkgs:    map[string]*pkg{},
		wanted:  map[string]bool{},
		out:     bufio.NewWriterSize(os.Stdout, 1<<20),
	}
	l.context.GOOS, l.context.GOARCH, l.context.CgoEnabled = "linux", "amd64", false
	l.context.GOPATH = ""
	if root := os.Getenv("TYPED_GOROOT"); root != "" {
		l.context.GOROOT = root
	}
	paths := os.Args[1:]
	if len(paths) == 1 && paths[0] == "all" {
		roots := l.roots()
		// The last one: that of the Go tree only where there is no other.
		paths = l.all(roots[len(roots)-1])
	}
	for _, path := range paths {
		l.wanted[path] = true
	}
	for _, path := range paths {
		l.load(path)
	}
	for _, p := range l.order {
		fmt.Fprintf(l.out, "P\t%s\n", p.path)
		for _, file := range p.files {
			fmt.Fprintf(l.out, "F\t%s\n", file)
		}
		for written, path := range p.imports {
			if written != path {
				fmt.Fprintf(l.out, "I\t%s\t%s\n", written, path)
			}
		}
	}
	for _, p := range l.order {
		if l.wanted[p.path] {
			l.print(p)
		}
	}
	if err := l.out.Flush(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Roots returns the folders that import paths are looked for in: that of the Go tree, and those of $TYPED_GOPATH.
func (l *loader) roots() []string {
	roots := []string{filepath.Join(l.context.GOROOT, "src")}
	for _, dir := range filepath.SplitList(os.Getenv("TYPED_GOPATH")) {
		roots = append(roots, filepath.Join(dir, "src"))
	}
	return roots
}

// Dir returns the folder of a package, or nothing.
func (l *loader) dir(path string) string {
	for _, root := range l.roots() {
		dir := filepath.Join(root, filepath.FromSlash(path))
		if files, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(files) > 0 {
			return dir
		}
	}
	return ""
}

// All returns the import paths below a folder.
func (l *loader) all(root string) []string {
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name := entry.Name()
		if name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		rel, _ := filepath.Rel(root, path)
		if rel == "." || rel == "builtin" {
			return nil
		}
		if _, err := l.context.ImportDir(path, 0); err == nil {
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		fail(err)
	}
	return paths
}

// Resolve finds what an import path means in a package: the nearest vendored one, or itself.
func (l *loader) resolve(from, path string) string {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return path
	}
	for {
		vendored := strings.TrimPrefix(from+"/vendor/"+path, "/")
		if l.dir(vendored) != "" {
			return vendored
		}
		if from == "" {
			return path
		}
		slash := max(strings.LastIndexByte(from, '/'), 0)
		from = from[:slash]
	}
}

// Load reads a package and all that it imports; nil where it is missing.
func (l *loader) load(path string) *pkg {
	if p, ok := l.pkgs[path]; ok {
		return p
	}
	l.pkgs[path] = nil
	found, err := l.context.ImportDir(l.dir(path), 0)
	if err != nil {
		return nil
	}
	p := &pkg{path: path, imports: map[string]string{}}
	l.pkgs[path] = p
	for _, name := range found.GoFiles {
		file := filepath.Join(found.Dir, name)
		syntax, err := parser.ParseFile(l.fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			fail(err)
		}
		p.files = append(p.files, file)
		p.syntax = append(p.syntax, syntax)
	}
	for _, written := range found.Imports {
		if written == "unsafe" || written == "C" {
			continue
		}
		resolved := l.resolve(path, written)
		if l.load(resolved) != nil {
			p.imports[written] = resolved
		}
	}
	l.check(p)
	l.order = append(l.order, p)
	return p
}

type importer struct {
	l *loader
	p *pkg
}

func (i importer) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if imported := i.l.pkgs[i.p.imports[path]]; imported != nil && imported.types != nil {
		return imported.types, nil
	}
	return nil, errors.New("missing")
}

func (l *loader) check(p *pkg) {
	config := types.Config{
		Importer:         importer{l, p},
		Sizes:            types.SizesFor("gc", "amd64"),
		IgnoreFuncBodies: !l.wanted[p.path],
		Error:            func(error) {},
	}
	if l.wanted[p.path] {
		p.info = &types.Info{
			Types:      map[ast.Expr]types.TypeAndValue{},
			Uses:       map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{},
		}
	}
	var err error
	p.types, err = config.Check(p.path, l.fset, p.syntax, p.info)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.path, err)
	}
}

type printer struct {
	*loader
	texts map[string]int
	known map[types.Type]int
}

func (l *loader) print(p *pkg) {
	out := printer{l, map[string]int{}, map[types.Type]int{}}
	fmt.Fprintf(l.out, "X\t%s\n", p.path)
	for index, file := range p.syntax {
		base := l.fset.File(file.FileStart).Base()
		line := func(kind byte, node ast.Node, text int) {
			if text < 0 {
				return
			}
			fmt.Fprintf(l.out, "%c\t%d\t%d\t%d\t%d\n", kind, index, int(node.Pos())-base, int(node.End())-base, text)
		}
		callees := map[ast.Expr]bool{}
		skip := map[ast.Node]bool{}
		ast.Inspect(file, func(node ast.Node) bool {
			if skip[node] {
				return false
			}
			switch node := node.(type) {
			case *ast.CallExpr:
				callees[node.Fun] = true
			case *ast.SelectorExpr:
				skip[node.Sel] = true
			}
			if name, ok := node.(*ast.Ident); ok {
				if object := p.info.Uses[name]; object != nil {
					line('u', name, out.text(l.place(object)))
				}
			}
			expr, ok := node.(ast.Expr)
			if !ok {
				return true
			}
			tv, ok := p.info.Types[expr]
			if !ok {
				return true
			}
			kind := byte('e')
			if _, ok := expr.(*ast.SelectorExpr); ok {
				kind = 's'
			}
			if callees[expr] {
				kind = 'c'
			}
			switch {
			case tv.IsBuiltin() || tv.IsNil():
			case tv.IsType():
				line('t', expr, out.typ(tv.Type))
			case tv.Value != nil && usesIota(p.info, expr):
				// Repeated, it has several values, of which the last one is kept.
			case tv.Value != nil:
				if text := value(tv.Value); text != "" {
					line('k', expr, out.text(text))
				}
			case tv.IsValue():
				typ := tv.Type
				if pair, ok := typ.(*types.Tuple); ok && !called(expr) {
					// The form with a second value, "v, ok := m[k]".
					typ = pair.At(0).Type()
				}
				line(kind, expr, out.typ(typ))
			}
			return true
		})
	}
}

// Called tells whether an expression is a call.
func called(expr ast.Expr) bool {
	_, ok := ast.Unparen(expr).(*ast.CallExpr)
	return ok
}

func usesIota(info *types.Info, expr ast.Expr) bool {
	found := false
	ast.Inspect(expr, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok && name.Name == "iota" {
			found = found || info.Uses[name] == types.Universe.Lookup("iota")
		}
		return true
	})
	return found
}

// Place tells where an object is declared: its name's file and offset.
func (l *loader) place(object types.Object) string {
	if !object.Pos().IsValid() {
		return "universe"
	}
	if variable, ok := object.(*types.Var); ok && variable.IsField() {
		return "field"
	}
	if name, ok := object.(*types.PkgName); ok {
		return "package " + name.Imported().Path()
	}
	position := l.fset.PositionFor(object.Pos(), false)
	return fmt.Sprintf("%s:%d", position.Filename, position.Offset)
}

// Value returns the text of a constant of a kind that both sides know in full.
func value(v constant.Value) string {
	switch v.Kind() {
	case constant.Bool, constant.Int:
		return v.ExactString()
	case constant.String:
		if text := v.ExactString(); len(text) < 100 {
			return text
		}
	}
	return ""
}

func (p printer) text(text string) int {
	index, ok := p.texts[text]
	if !ok {
		index = len(p.texts)
		p.texts[text] = index
		fmt.Fprintf(p.out, "Y\t%s\n", text)
	}
	return index
}

func (p printer) typ(typ types.Type) int {
	index, ok := p.known[typ]
	if !ok {
		var w writer
		w.typ(typ)
		index = -1
		if text := w.String(); !strings.Contains(text, "invalid type") {
			index = p.text(text)
		}
		p.known[typ] = index
	}
	return index
}

// A writer writes types in a form that does not depend on names of parameters, tags and aliases.
type writer struct{ strings.Builder }

func (w *writer) typ(typ types.Type) {
	switch typ := types.Unalias(typ).(type) {
	case *types.Basic:
		if typ.Kind() == types.UnsafePointer {
			w.WriteString("unsafe.Pointer")
			return
		}
		w.WriteString(types.Typ[typ.Kind()].Name())
	case *types.Named:
		if pkg := typ.Obj().Pkg(); pkg != nil {
			w.WriteString(pkg.Path() + ".")
		}
		w.WriteString(typ.Obj().Name())
		if args := typ.TypeArgs(); args.Len() > 0 {
			w.args(args.Len(), func(i int) types.Type { return args.At(i) })
		} else if params := typ.TypeParams(); params.Len() > 0 {
			w.args(params.Len(), func(i int) types.Type { return params.At(i) })
		}
	case *types.TypeParam:
		w.WriteString(typ.Obj().Name())
	case *types.Pointer:
		w.WriteString("*")
		w.typ(typ.Elem())
	case *types.Slice:
		w.WriteString("[]")
		w.typ(typ.Elem())
	case *types.Array:
		fmt.Fprintf(w, "[%d]", typ.Len())
		w.typ(typ.Elem())
	case *types.Map:
		w.WriteString("map[")
		w.typ(typ.Key())
		w.WriteString("]")
		w.typ(typ.Elem())
	case *types.Chan:
		w.WriteString([]string{"chan ", "chan<- ", "<-chan "}[typ.Dir()])
		inner, ok := typ.Elem().(*types.Chan)
		if ok && typ.Dir() == types.SendRecv && inner.Dir() == types.RecvOnly {
			w.WriteString("(")
			w.typ(inner)
			w.WriteString(")")
			return
		}
		w.typ(typ.Elem())
	case *types.Struct:
		w.WriteString("struct{")
		for i := range typ.NumFields() {
			if i > 0 {
				w.WriteString("; ")
			}
			if field := typ.Field(i); !field.Embedded() {
				w.WriteString(field.Name() + " ")
			}
			w.typ(typ.Field(i).Type())
		}
		w.WriteString("}")
	case *types.Tuple:
		w.tuple(typ, false)
	case *types.Signature:
		w.WriteString("func")
		w.signature(typ)
	case *types.Interface:
		w.iface(typ)
	case *types.Union:
		w.union(typ)
	default:
		fmt.Fprintf(w, "<%T>", typ)
	}
}

func (w *writer) args(count int, at func(int) types.Type) {
	w.WriteString("[")
	for i := range count {
		if i > 0 {
			w.WriteString(", ")
		}
		w.typ(at(i))
	}
	w.WriteString("]")
}

func (w *writer) tuple(tuple *types.Tuple, variadic bool) {
	w.WriteString("(")
	for i := range tuple.Len() {
		if i > 0 {
			w.WriteString(", ")
		}
		typ := tuple.At(i).Type()
		if slice, ok := typ.(*types.Slice); ok && variadic && i == tuple.Len()-1 {
			w.WriteString("...")
			typ = slice.Elem()
		}
		w.typ(typ)
	}
	w.WriteString(")")
}

func (w *writer) signature(typ *types.Signature) {
	if params := typ.TypeParams(); params.Len() > 0 {
		w.args(params.Len(), func(i int) types.Type { return params.At(i) })
	}
	w.tuple(typ.Params(), typ.Variadic())
	switch typ.Results().Len() {
	case 0:
	case 1:
		w.WriteString(" ")
		w.typ(typ.Results().At(0).Type())
	default:
		w.WriteString(" ")
		w.tuple(typ.Results(), false)
	}
}

func (w *writer) union(typ *types.Union) {
	for i := range typ.Len() {
		if i > 0 {
			w.WriteString(" | ")
		}
		if typ.Term(i).Tilde() {
			w.WriteString("~")
		}
		w.typ(typ.Term(i).Type())
	}
}

func (w *writer) iface(typ *types.Interface) {
	if typ.NumExplicitMethods() == 0 && typ.NumEmbeddeds() == 0 {
		w.WriteString("any")
		return
	}
	var parts []string
	for i := range typ.NumExplicitMethods() {
		var inner writer
		inner.WriteString(typ.ExplicitMethod(i).Name())
		inner.signature(typ.ExplicitMethod(i).Signature())
		parts = append(parts, inner.String())
	}
	sort.Strings(parts)
	for i := range typ.NumEmbeddeds() {
		var inner writer
		inner.typ(typ.EmbeddedType(i))
		parts = append(parts, inner.String())
	}
	w.WriteString("interface{" + strings.Join(parts, "; ") + "}")
}
