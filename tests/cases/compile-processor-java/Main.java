import java.util.Set;
import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.lang.model.element.TypeElement;

// Tries: to run inside the compiler, as a processor of annotations that the compiler finds by itself.
// Stopped by: the compile step runs no processors.
public class Main extends AbstractProcessor {
    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment environment) {
        System.out.println("ran in the compiler");
        Runtime.getRuntime().halt(0);
        return true;
    }

    public static void main(String[] arguments) {
        System.out.println("ran as a program");
    }
}
