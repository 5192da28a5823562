import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.TypeElement;
import javax.lang.model.util.ElementFilter;
import javax.tools.ForwardingJavaFileObject;
import javax.tools.JavaFileObject;
import javax.tools.ToolProvider;

/**
 * The compile step of a Java job: compiles every source file and finds out which class is the program.
 *
 * <p>The arguments are the entry file and the argument file to write. The class with {@code main} may have any name and be in
 * any package; the argument file tells the run step's {@code java} which it is.
 */
public final class Compile {
    private static final String CLASS_PATH = ".:*"; // The job's classes, and jars it may have brought.

    /** A class that {@code java} could start. */
    private record Program(String className, int rank) {}

    public static void main(String[] args) throws IOException {
        var entry = Path.of(args[0]).normalize();
        // A worker of an earlier version gives the entry file alone, and it is a source only by its name.
        boolean isEarlier = args.length < 2;
        var argumentFile = Path.of(isEarlier ? ".caisson-run" : args[1]);
        var compiler = ToolProvider.getSystemJavaCompiler();
        var programs = new ArrayList<Program>();
        try (var manager = compiler.getStandardFileManager(null, null, UTF_8)) {
            var sources = new ArrayList<JavaFileObject>();
            var paths = sourceFiles(isEarlier ? null : entry);
            manager.getJavaFileObjectsFromPaths(paths).forEach(file -> sources.add(new AnyName(file)));
            if (sources.isEmpty()) {
                fail("no file of the job ends in .java");
            }
            var options = List.of("-d", ".", "-classpath", CLASS_PATH, "-proc:none");
            var task = (JavacTask) compiler.getTask(null, manager, null, options, null, sources);
            task.addTaskListener(new TaskListener() {
                @Override
                public void finished(TaskEvent event) {
                    if (event.getKind() == TaskEvent.Kind.ANALYZE && hasMain(task, event.getTypeElement())) {
                        var file = Path.of(event.getSourceFile().getName()).normalize();
                        programs.add(program(event.getTypeElement(), file, entry));
                    }
                }
            });
            if (!task.call()) {
                System.exit(1);
            }
        }
        var program = programs.stream().min(Comparator.comparingInt(Program::rank));
        if (program.isEmpty()) {
            fail("no class has a method public static void main(String[] args)");
        }
        Files.writeString(argumentFile, "-cp " + CLASS_PATH + "\n" + program.get().className() + "\n");
    }

    private static void fail(String reason) {
        System.err.println("error: " + reason);
        System.exit(1);
    }

    /** The entry file, whatever its name, and all that end in .java, in upper or lower case. */
    private static List<Path> sourceFiles(Path entry) throws IOException {
        try (Stream<Path> paths = Files.walk(Path.of(""))) {
            return paths.filter(path -> path.normalize().equals(entry) || isSource(path))
                    .filter(Files::isRegularFile)
                    .sorted()
                    .toList();
        }
    }

    /** Hidden files and folders, and what archivers of macOS put into __MACOSX, are no sources. */
    private static boolean isSource(Path path) {
        for (Path part : path) {
            if (part.toString().startsWith(".") || part.toString().equals("__MACOSX")) {
                return false;
            }
        }
        return path.toString().toLowerCase(Locale.ROOT).endsWith(".java");
    }

    private static boolean hasMain(JavacTask task, TypeElement type) {
        return ElementFilter.methodsIn(task.getElements().getAllMembers(type)).stream().anyMatch(Compile::isMain);
    }

    private static boolean isMain(ExecutableElement method) {
        var parameters = method.getParameters();
        return method.getSimpleName().contentEquals("main")
                && method.getModifiers().containsAll(Set.of(Modifier.PUBLIC, Modifier.STATIC))
                && method.getReturnType().toString().equals("void")
                && parameters.size() == 1
                && parameters.get(0).asType().toString().equals("java.lang.String[]");
    }

    /** The entry file's classes come first, and there the one of the file's name, then the public one. */
    private static Program program(TypeElement type, Path file, Path entry) {
        var name = type.getSimpleName() + ".java";
        int rank = file.equals(entry) ? 0 : 3;
        if (!file.getFileName().toString().equalsIgnoreCase(name)) {
            rank += type.getModifiers().contains(Modifier.PUBLIC) ? 1 : 2;
        }
        return new Program(type.getQualifiedName().toString(), rank);
    }

    /** A source file that may declare a public class of another name than its own, and have any ending. */
    private static final class AnyName extends ForwardingJavaFileObject<JavaFileObject> {
        AnyName(JavaFileObject file) {
            super(file);
        }

        @Override
        public Kind getKind() {
            return Kind.SOURCE;
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            boolean special = simpleName.contains("-"); // package-info, module-info
            return special ? super.isNameCompatible(simpleName, kind) : kind == Kind.SOURCE;
        }
    }
}
