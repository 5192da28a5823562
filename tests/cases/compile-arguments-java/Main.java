// Tries: to smuggle options to the virtual machine: through the file that tells the run step which class is the program,
// through files named like options, and through files of options. Stopped by: that file is written by the compile step,
// and names are never options.
public class Main {
    public static void main(String[] arguments) {
        System.out.println(System.getProperty("smuggled") + " " + arguments.length);
    }
}
